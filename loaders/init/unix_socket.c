/* Unix stream sockets by path, also where the path is longer than sun_path's 107 bytes. */
#include "unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * Fills in the address. A long path goes through its directory's descriptor: /proc/self/fd/N/name.
 * Returns that descriptor, to be closed after use, or -1 where none was needed; -2 and errno on failure.
 */
static int address_of(const char *path, struct sockaddr_un *address)
{
	memset(address, 0, sizeof *address);
	address->sun_family = AF_UNIX;
	if (strlen(path) < sizeof address->sun_path) {
		strcpy(address->sun_path, path);
		return -1;
	}
	const char *slash = strrchr(path, '/');
	char directory[4096];
	if (slash == NULL || slash == path || (size_t)(slash - path) >= sizeof directory || strlen(slash) > 64) {
		errno = ENAMETOOLONG;
		return -2;
	}
	memcpy(directory, path, (size_t)(slash - path));
	directory[slash - path] = '\0';
	int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -2;
	snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%.64s", fd, slash + 1);
	return fd;
}

static void close_keeping_errno(int fd)
{
	int kept = errno;
	if (fd >= 0)
		close(fd);
	errno = kept;
}

int unix_listen(const char *path, mode_t mode, int backlog)
{
	struct sockaddr_un address;
	int directory = address_of(path, &address);
	if (directory == -2)
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0) {
		unlink(address.sun_path);
		/* The umask makes it with the right mode from the first moment on. */
		mode_t before = umask(0777 & ~mode);
		bool bound = bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, backlog) == 0;
		umask(before);
		if (!bound) {
			close_keeping_errno(fd);
			fd = -1;
		}
	}
	close_keeping_errno(directory);
	return fd;
}

int unix_connect(const char *path, bool non_blocking)
{
	struct sockaddr_un address;
	int directory = address_of(path, &address);
	if (directory == -2)
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (non_blocking ? SOCK_NONBLOCK : 0), 0);
	if (fd >= 0) {
		int result;
		do
			result = connect(fd, (struct sockaddr *)&address, sizeof address);
		while (result < 0 && errno == EINTR);
		if (result < 0) {
			close_keeping_errno(fd);
			fd = -1;
		}
	}
	close_keeping_errno(directory);
	return fd;
}

pid_t unix_peer_pid(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof peer;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}
