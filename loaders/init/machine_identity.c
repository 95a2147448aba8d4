/* What makes a machine this one and no other: its network card's address, its machine-id, its generation. */
#include "machine.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CARD "eth0"
#define GENERATION "/run/portlayer/generation"
#define HOOK "/etc/portlayer/restored"
#define HOOK_S "10"

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0444);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && write(fd, "\n", 1) == 1;
	if (fd >= 0)
		close(fd);
	return written;
}

/* It goes into a line of key=value: what has no place there is not shown. */
static void plain(char *text)
{
	for (char *at = text; *at != '\0'; at++)
		if (!isalnum((unsigned char)*at) && strchr("_.:/@+-", *at) == NULL)
			*at = '_';
}

static void read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t got = fd >= 0 ? read(fd, text, size - 1) : 0;
	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	plain(text);
}

static void set_address(struct ifreq *request, const char *address)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	inet_pton(AF_INET, address, &in.sin_addr);
	memcpy(&request->ifr_addr, &in, sizeof in);
}

static bool up(int fd, const char *name)
{
	struct ifreq request = {0};
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFFLAGS, &request) != 0)
		return false;
	request.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

static bool set_mac(int fd, const char *mac)
{
	struct ifreq request = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};
	unsigned char *b = (unsigned char *)request.ifr_hwaddr.sa_data;
	strncpy(request.ifr_name, CARD, IFNAMSIZ - 1);
	return sscanf(mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", b, b + 1, b + 2, b + 3, b + 4, b + 5) == 6 &&
	       ioctl(fd, SIOCSIFHWADDR, &request) == 0;
}

static bool set_network(int fd, const char *address, const char *gateway)
{
	struct ifreq request = {0};
	strncpy(request.ifr_name, CARD, IFNAMSIZ - 1);
	set_address(&request, address);
	if (ioctl(fd, SIOCSIFADDR, &request) != 0)
		return false;
	set_address(&request, "255.255.255.0");
	if (ioctl(fd, SIOCSIFNETMASK, &request) != 0 || !up(fd, CARD))
		return false;
	struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
	struct sockaddr_in any = {.sin_family = AF_INET}, via = any;
	inet_pton(AF_INET, gateway, &via.sin_addr);
	memcpy(&route.rt_dst, &any, sizeof any);
	memcpy(&route.rt_genmask, &any, sizeof any);
	memcpy(&route.rt_gateway, &via, sizeof via);
	ioctl(fd, SIOCADDRT, &route);
	return true;
}

void machine_first_identity(void)
{
	const char *mac = getenv("PORTLAYER_MAC"), *address = getenv("PORTLAYER_ADDRESS");
	const char *gateway = getenv("PORTLAYER_GATEWAY"), *id = getenv("PORTLAYER_MACHINE_ID");
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	up(fd, "lo");
	if (mac != NULL)
		set_mac(fd, mac);
	if (address != NULL && gateway != NULL)
		set_network(fd, address, gateway);
	close(fd);
	if (id != NULL)
		write_text("/etc/machine-id", id);
	unsetenv("PORTLAYER_MACHINE_ID");
	unsetenv("PORTLAYER_GATEWAY");
	unsetenv("PORTLAYER_MAC");
}

static void miss(char *missed, size_t size, const char *what)
{
	size_t used = strlen(missed);
	snprintf(missed + used, size - used, "%s%s", used > 0 ? "+" : "", what);
}

/* The image's owner may have something to do before a copy is ready. Its output goes to the console. */
static bool run_hook(const char *crid, const char *generation)
{
	if (access(HOOK, X_OK) != 0)
		return true;
	pid_t pid = fork();
	if (pid == 0) {
		/* alarm() outlives the exec: a hook that hangs ends. */
		alarm(atoi(HOOK_S));
		execl(HOOK, HOOK, crid, generation, (char *)NULL);
		_exit(127);
	}
	int status = -1;
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void machine_new_identity(const char *answer, char *missed, size_t size)
{
	static struct line line;
	missed[0] = '\0';
	if (!line_decode(&line, answer, strlen(answer)))
		return;
	const char *mac = line_value(&line, "mac"), *address = line_value(&line, "address");
	const char *gateway = line_value(&line, "gateway"), *generation = line_value(&line, "gen"), *crid = line_value(&line, "crid");
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (mac != NULL && !set_mac(fd, mac))
		miss(missed, size, "mac");
	if (address != NULL && gateway != NULL && !set_network(fd, address, gateway))
		miss(missed, size, "address");
	close(fd);
	if (generation != NULL && !write_text(GENERATION, generation))
		miss(missed, size, "generation");
	if (!run_hook(crid != NULL ? crid : "", generation != NULL ? generation : ""))
		miss(missed, size, "hook");
}

void machine_who(char *text, size_t size)
{
	char host[65] = "", id[40], mac[32], generation[40], random[40];
	gethostname(host, sizeof host - 1);
	plain(host);
	read_text("/etc/machine-id", id, sizeof id);
	read_text("/sys/class/net/" CARD "/address", mac, sizeof mac);
	read_text(GENERATION, generation, sizeof generation);
	read_text("/proc/sys/kernel/random/uuid", random, sizeof random);
	snprintf(text, size, "is-hostname=%s is-machine-id=%s is-mac=%s is-gen=%s is-random=%s", host, id, mac, generation, random);
}
