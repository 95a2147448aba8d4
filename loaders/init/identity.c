/* Who this container is: its incarnation, and after a restore what tells it from its siblings. */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#define SEED_BYTES 32
/* RNDADDENTROPY and RNDRESEEDCRNG of random(4). */
#define ADD_ENTROPY _IOW('R', 0x03, int[2])
#define RESEED _IO('R', 0x07)

static bool unhex(const char *text, unsigned char *bytes, size_t count)
{
	if (strlen(text) != count * 2 || strspn(text, "0123456789abcdefABCDEF") != count * 2)
		return false;
	for (size_t i = 0; i < count; i++)
		if (sscanf(text + i * 2, "%2hhx", &bytes[i]) != 1)
			return false;
	return true;
}

void identity_draw(struct identity *identity, const char *salt)
{
	unsigned char drawn[8] = {0}, salted[8] = {0};
	if (getrandom(drawn, sizeof drawn, GRND_NONBLOCK) != sizeof drawn) {
		/* Early in a guest's boot: pid and address are all there is, and the salt. */
		uintptr_t here = (uintptr_t)drawn ^ (uintptr_t)getpid();
		memcpy(drawn, &here, sizeof here < sizeof drawn ? sizeof here : sizeof drawn);
	}
	char head[17];
	if (salt != NULL && strlen(salt) >= 16) {
		memcpy(head, salt, 16);
		head[16] = '\0';
		unhex(head, salted, sizeof salted);
	}
	for (size_t i = 0; i < sizeof drawn; i++)
		snprintf(identity->incarnation + i * 2, 3, "%02x", drawn[i] ^ salted[i]);
}

static bool write_file(const char *path, const char *text)
{
	/* In place: it may be a bind mount, over which nothing can be renamed. */
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0444);
	if (fd < 0)
		return false;
	bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	return close(fd) == 0 && written;
}

/* Mixed in always; counted as entropy, and the generator reseeded, only where this is a machine of its own with the right to. */
static bool feed_random_pool(const char *hex)
{
	struct {
		int bits, size;
		unsigned char bytes[SEED_BYTES];
	} seed = {SEED_BYTES * 8, SEED_BYTES, {0}};
	int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	bool fed = fd >= 0 && unhex(hex, seed.bytes, sizeof seed.bytes);
	if (fed && ioctl(fd, ADD_ENTROPY, &seed) == 0)
		ioctl(fd, RESEED);
	else if (fed)
		fed = write(fd, seed.bytes, sizeof seed.bytes) == sizeof seed.bytes;
	explicit_bzero(&seed, sizeof seed);
	if (fd >= 0)
		close(fd);
	return fed;
}

static void miss(char *missed, size_t size, const char *what)
{
	size_t used = strlen(missed);
	snprintf(missed + used, size - used, "%s%s", used > 0 ? "+" : "", what);
}

static bool apply_machine_id(const char *id)
{
	char text[40];
	unsigned char bytes[16];
	if (!unhex(id, bytes, sizeof bytes))
		return false;
	snprintf(text, sizeof text, "%.32s\n", id);
	return write_file("/etc/machine-id", text);
}

void identity_apply(const struct line *answer, char *missed, size_t missed_size)
{
	const char *hostname = line_value(answer, "hostname"), *machine = line_value(answer, "machine-id");
	const char *seed = line_value(answer, "seed");
	missed[0] = '\0';
	/* First of all: whoever reads random bytes from now on must not read its siblings'. */
	if (seed != NULL && !feed_random_pool(seed))
		miss(missed, missed_size, "seed");
	if (hostname != NULL && sethostname(hostname, strlen(hostname)) != 0)
		miss(missed, missed_size, "hostname");
	if (machine != NULL && !apply_machine_id(machine))
		miss(missed, missed_size, "machine-id");
}
