/*
 * `portlayer-init lease FILE OWNER`: holds a lock on FILE until standard input ends, so that one service at a time
 * works in a state directory. Prints one line: `LEASED session=PID` or `HELD owner=O session=PID since=S`, and ends
 * with 3 then. An earlier session of the same owner is ended first: what it began must not act any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "protocol.h"

#define OWNER_MAX 64
#define TRIES 200
#define TRY_US 25000

struct holder {
	char owner[OWNER_MAX + 1];
	int session;
	unsigned long long began;
	long long since;
};

/* When a process began, in ticks since boot: a pid with another beginning is another process. 0: there is none. */
static unsigned long long began(int pid)
{
	char path[64], text[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t got = read(fd, text, sizeof text - 1);
	close(fd);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	const char *at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at != NULL ? strtoull(at + 1, NULL, 10) : 0;
}

static void read_holder(int fd, struct holder *found)
{
	char text[256];
	memset(found, 0, sizeof *found);
	ssize_t got = pread(fd, text, sizeof text - 1, 0);
	if (got <= 0)
		return;
	text[got] = '\0';
	if (sscanf(text, "owner=%64[A-Za-z0-9-] session=%d began=%llu since=%lld", found->owner, &found->session,
		   &found->began, &found->since) != 4)
		memset(found, 0, sizeof *found);
}

static int held(const struct holder *by)
{
	printf("HELD owner=%s session=%d since=%lld\n", by->owner, by->session, by->since);
	return 3;
}

int lease_command(int argc, char **argv)
{
	if (argc != 3 || strlen(argv[2]) > OWNER_MAX)
		return EXIT_USAGE;
	int fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		fprintf(stderr, "portlayer-init lease: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	struct holder by;
	int ended = 0;
	for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
		read_holder(fd, &by);
		if (by.owner[0] != '\0' && strcmp(by.owner, argv[2]) != 0)
			return held(&by);
		if (tries == TRIES)
			return held(&by);
		if (by.session > 1 && by.session != ended && by.session != getppid() && began(by.session) == by.began &&
		    kill(by.session, SIGKILL) == 0)
			ended = by.session;
		usleep(TRY_US);
	}
	char text[256];
	int session = getppid();
	int length = snprintf(text, sizeof text, "owner=%s session=%d began=%llu since=%lld\n", argv[2], session,
			      began(session), (long long)time(NULL));
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length || fsync(fd) != 0) {
		fprintf(stderr, "portlayer-init lease: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	printf("LEASED session=%d\n", session);
	fflush(stdout);
	while (read(STDIN_FILENO, text, sizeof text) > 0 || errno == EINTR)
		errno = 0;
	return 0;
}
