/*
 * What DMTCP could neither keep nor suspend, looked for before it is asked: it would wait for ever, or end the task.
 * Pseudo terminals, and unix sockets whose other end no process under DMTCP has; the init, which knows how to answer,
 * is no such end. See sock_diag(7). What cannot be looked at counts as not there.
 *
 * DMTCP makes a socket pair of every pipe, and processes come and go while this looks: what seems to lead out is looked
 * at again, with every process that has DMTCP's library, before it is believed.
 */
#include "drain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "peek.h"

/* Of the kernel's headers, which musl-gcc does not see. */
#define NETLINK_SOCK_DIAG 4
#define SOCK_DIAG_BY_FAMILY 20
#define NLMSG_ERROR 2
#define NLMSG_DONE 3
#define REQUEST_DUMP (0x1 | 0x100 | 0x200)
#define ESTABLISHED (1u << 1)
#define SHOW_PEER 4
#define UNIX_DIAG_PEER 2

#define PTMX_MAJOR 5
#define PTMX_MINOR 2
#define PTS_MAJOR_FIRST 136
#define PTS_MAJOR_LAST 143
#define INIT_PID 1
#define LOOKS 5
#define BETWEEN_NS 40000000

struct header {
	uint32_t length;
	uint16_t type, flags;
	uint32_t sequence, port;
};
struct unix_request {
	struct header header;
	uint8_t family, protocol;
	uint16_t pad;
	uint32_t states, inode, show, cookie[2];
};
struct unix_message {
	uint8_t family, type, state, pad;
	uint32_t inode, cookie[2];
};
struct attribute {
	uint16_t length, type;
	uint32_t value;
};

struct held_socket {
	uint32_t inode;
	pid_t pid;
};
static struct held_socket *held;
static size_t held_count, held_places;

static void hold(uint32_t inode, pid_t pid)
{
	if (held_count == held_places) {
		size_t places = 2 * held_places + 64;
		struct held_socket *more = realloc(held, places * sizeof *held);
		if (more == NULL)
			return;
		held = more;
		held_places = places;
	}
	held[held_count++] = (struct held_socket){inode, pid};
}

static int by_inode(const void *a, const void *b)
{
	uint32_t left = ((const struct held_socket *)a)->inode, right = ((const struct held_socket *)b)->inode;
	return (left > right) - (left < right);
}

static const struct held_socket *holder_of(uint32_t inode)
{
	struct held_socket key = {.inode = inode};
	return held_count == 0 ? NULL : bsearch(&key, held, held_count, sizeof *held, by_inode);
}

/* Notes the sockets of a process; true, and said, where it holds a pseudo terminal. */
static bool look_at(struct drain *drain, pid_t pid)
{
	char path[64];
	snprintf(path, sizeof path, "proc/%d/fd", (int)pid);
	int fd = peek_open(drain->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	bool found = false;
	while (directory != NULL && !found && (entry = readdir(directory)) != NULL) {
		struct stat about;
		if (entry->d_name[0] == '.' || fstatat(fd, entry->d_name, &about, 0) != 0)
			continue;
		unsigned int kind = S_ISCHR(about.st_mode) ? major(about.st_rdev) : 0;
		if (S_ISSOCK(about.st_mode))
			hold((uint32_t)about.st_ino, pid);
		found = pid != INIT_PID && ((kind == PTMX_MAJOR && minor(about.st_rdev) == PTMX_MINOR) ||
					    (kind >= PTS_MAJOR_FIRST && kind <= PTS_MAJOR_LAST));
		if (found)
			drain_say("HOLDS %d the pseudo terminal on its descriptor %s", (int)pid, entry->d_name);
	}
	if (directory != NULL)
		closedir(directory);
	return found;
}

/* A socket for questions in the container's network, where its unix sockets are listed. */
static int ask_there(const char *netns)
{
	int there = open(netns, O_RDONLY | O_CLOEXEC), here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd = -1;
	if (there >= 0 && here >= 0 && setns(there, CLONE_NEWNET) == 0) {
		fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
		if (setns(here, CLONE_NEWNET) != 0)
			_exit(1); /* never so far; all that follows would be in the wrong network */
	}
	if (there >= 0)
		close(there);
	if (here >= 0)
		close(here);
	return fd;
}

struct finding {
	pid_t pid;
	uint32_t inode;
};

/* True where the other end of this connection is nobody's whom DMTCP suspends. */
static bool leads_out(const unsigned char *message, size_t size, struct finding *finding)
{
	struct unix_message about;
	memcpy(&about, message, sizeof about);
	const struct held_socket *holder = holder_of(about.inode);
	bool stream = about.type == SOCK_STREAM || about.type == SOCK_SEQPACKET;
	if (holder == NULL || holder->pid == INIT_PID || !stream)
		return false;
	for (size_t at = sizeof about; at + sizeof(struct attribute) <= size;) {
		struct attribute attribute;
		memcpy(&attribute, message + at, sizeof attribute);
		if (attribute.length < 4)
			return false;
		/* One that nobody has accepted yet has no number. */
		if (attribute.type == UNIX_DIAG_PEER && attribute.value != 0 && holder_of(attribute.value) == NULL) {
			*finding = (struct finding){holder->pid, about.inode};
			return true;
		}
		at += (attribute.length + 3u) & ~3u;
	}
	return false;
}

static bool any_leads_out(int fd, struct finding *finding)
{
	static unsigned char reply[64 << 10];
	struct unix_request request = {
		.header = {.length = sizeof request, .type = SOCK_DIAG_BY_FAMILY, .flags = REQUEST_DUMP},
		.family = AF_UNIX,
		.states = ESTABLISHED,
		.show = SHOW_PEER,
	};
	if (send(fd, &request, sizeof request, 0) != sizeof request)
		return false;
	for (;;) {
		ssize_t got = recv(fd, reply, sizeof reply, 0);
		if (got < 0 && errno == EINTR)
			continue;
		for (size_t at = 0; got > 0 && at + sizeof(struct header) <= (size_t)got;) {
			struct header header;
			memcpy(&header, reply + at, sizeof header);
			if (header.type == NLMSG_DONE || header.type == NLMSG_ERROR || header.length < sizeof header ||
			    header.length > (size_t)got - at)
				return false;
			if (header.length >= sizeof header + sizeof(struct unix_message) &&
			    leads_out(reply + at + sizeof header, header.length - sizeof header, finding))
				return true;
			at += (header.length + 3u) & ~3u;
		}
		if (got <= 0)
			return false;
	}
}

static bool has_library(struct drain *drain, pid_t pid)
{
	static char line[8192];
	char path[64];
	snprintf(path, sizeof path, "proc/%d/maps", (int)pid);
	int fd = peek_open(drain->root, path, O_RDONLY | O_CLOEXEC);
	FILE *maps = fd >= 0 ? fdopen(fd, "r") : NULL;
	bool found = false;
	while (maps != NULL && !found && fgets(line, sizeof line, maps) != NULL)
		found = strstr(line, "/libdmtcp.so") != NULL;
	if (maps != NULL)
		fclose(maps);
	return found;
}

static bool is_expected(const struct drain *drain, pid_t pid)
{
	for (size_t i = 0; i < drain->count; i++)
		if (drain->streams[i].pid == pid)
			return true;
	return false;
}

/* Those under DMTCP that were not known when the list was made. */
static void look_at_others(struct drain *drain)
{
	int fd = peek_open(drain->root, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		pid_t pid = (pid_t)atoi(entry->d_name);
		if (pid > INIT_PID && !is_expected(drain, pid) && has_library(drain, pid))
			look_at(drain, pid);
	}
	if (directory != NULL)
		closedir(directory);
}

bool drain_holds(struct drain *drain)
{
	struct finding finding;
	bool found = false;
	for (int look = 0; look < LOOKS && (found || look == 0); look++) {
		if (found)
			nanosleep(&(struct timespec){.tv_nsec = BETWEEN_NS}, NULL);
		held_count = 0;
		for (size_t i = 0; i < drain->count; i++)
			if (look_at(drain, drain->streams[i].pid))
				return true;
		if (held_count == 0 || drain->netns == NULL)
			return false;
		look_at(drain, INIT_PID);
		if (found)
			look_at_others(drain);
		qsort(held, held_count, sizeof *held, by_inode);
		/* Anew each time: of an answer that was not read to its end the rest would come. */
		int fd = ask_there(drain->netns);
		found = fd >= 0 && any_leads_out(fd, &finding);
		if (fd >= 0)
			close(fd);
	}
	if (found)
		drain_say("HOLDS %d a unix socket (inode %u) whose other end is not under DMTCP", (int)finding.pid, finding.inode);
	return found;
}
