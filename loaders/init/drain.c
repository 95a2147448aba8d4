/*
 * `portlayer-init drain`: takes the images of one dump of DMTCP out of a container. Each process of the container finds a
 * named pipe where it would make its file. So what the disk does is no matter of the task's: DMTCP ends a process whose
 * image cannot be written, and here everything is read to its end whatever happens. The first byte says that every
 * process of the container is suspended; nothing is read until the service says so, and until then they stay it.
 *
 *   from it:        IMAGE pid name, for each that is expected · ARM
 *   to the service: READY, or HOLDS pid what (nothing was touched: DMTCP could not suspend that process) ·
 *                   FROZEN askers=P+P · FILE name sum bytes stamp · FAILED errno=N text · DONE
 *   from it:        GO (read) · END (those that have not begun by now will not come) · its end: throw everything away
 */
#include "drain.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "commands.h"
#include "peek.h"
#include "protocol.h"

#define LINGER_MS 60000 /* a dump whose service died may be yet to come */
#define ASKERS_BYTES 1024
#define OWN_BYTES (32LL << 20)
/*
 * DMTCP writes some thousand small pieces. To be woken for each costs more than to take them: where little is there, a
 * moment is waited for more. The pipe holds 1 MiB, so this bounds what flows at some GB/s.
 */
#define LITTLE_BYTES (256 << 10)
#define MOMENT_NS 200000
#define RENAME_MS 10000
#define LOOK_NS 2000000

static struct drain drain;
static unsigned char piece[1 << 20];

static const char usage[] =
	"usage: portlayer-init drain --root DIR --room PATH --askers NAME --out DIR [--netns FILE] [--owner UID GID]\n";

static bool parse(int argc, char **argv)
{
	int at = 1;
	drain.uid = drain.gid = -1;
	for (; at < argc; at += 2) {
		const char *name = argv[at], *value = at + 1 < argc ? argv[at + 1] : NULL;
		if (value == NULL)
			return false;
		if (strcmp(name, "--root") == 0)
			drain.root = value;
		else if (strcmp(name, "--room") == 0)
			drain.room_path = value;
		else if (strcmp(name, "--askers") == 0)
			drain.askers = value;
		else if (strcmp(name, "--out") == 0)
			drain.out_path = value;
		else if (strcmp(name, "--netns") == 0)
			drain.netns = value;
		else if (strcmp(name, "--owner") == 0 && at + 2 < argc) {
			drain.uid = atoll(value);
			drain.gid = atoll(argv[at++ + 2]);
		} else
			return false;
	}
	return drain.root != NULL && drain.room_path != NULL && drain.askers != NULL && drain.out_path != NULL;
}

static void say_frozen(void)
{
	char text[ASKERS_BYTES];
	int fd = openat(drain.room, drain.askers, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	text[strspn(text, "0123456789+")] = '\0'; /* the container may have written anything */
	drain_say("FROZEN askers=%s", text);
}

/* What is expected, by what the service says before all: `IMAGE pid name`. False where that cannot be. */
static bool expect(char *line)
{
	char *end;
	long pid = strtol(line, &end, 10);
	char *name = *end == ' ' ? strdup(end + 1) : NULL;
	if (pid <= 0 || name == NULL || strchr(name, '/') != NULL || strlen(name) >= NAME_BYTES || drain.count == STREAMS_MAX)
		return false;
	drain.streams[drain.count++] = (struct stream){.name = name, .pid = (pid_t)pid, .in = -1, .out = -1};
	return true;
}

/* Reads a byte of what the service says; false when it has gone, or says what cannot be. */
static bool hear(void)
{
	static char line[NAME_BYTES + 32];
	static size_t length;
	char byte;
	ssize_t got = read(STDIN_FILENO, &byte, 1);
	if (got <= 0)
		return got < 0 && (errno == EINTR || errno == EAGAIN);
	if (byte != '\n') {
		if (length < sizeof line - 1)
			line[length++] = byte;
		return true;
	}
	line[length] = '\0';
	length = 0;
	if (strcmp(line, "GO") == 0)
		drain.going = true;
	else if (strcmp(line, "END") == 0)
		drain.going = drain.ending = true;
	else if (strcmp(line, "ARM") == 0)
		drain.told = true;
	else if (!drain.told && strncmp(line, "IMAGE ", 6) == 0)
		return expect(line + 6);
	return true;
}

static void read_stream(struct stream *stream)
{
	ssize_t got = read(stream->in, piece, sizeof piece);
	if (got > 0) {
		drain.taken += (size_t)got;
		stream->flowed = true;
		stream->state = STREAM_FLOWING;
		drain_keep(&drain, stream->out, &stream->hash, piece, (size_t)got);
	} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		drain_end_stream(&drain, stream);
	}
}

static size_t count_in(enum stream_state state)
{
	size_t found = 0;
	for (size_t i = 0; i < drain.count; i++)
		found += drain.streams[i].state == state;
	return found;
}

static void run(void)
{
	bool frozen = false, alone = false;
	int64_t until = -1;
	static struct pollfd fds[STREAMS_MAX + 1];
	while (count_in(STREAM_ENDED) < drain.count || (!drain.ending && !alone)) {
		if (drain.ending && count_in(STREAM_FLOWING) == 0)
			break;
		if (alone && count_in(STREAM_FLOWING) == 0 && clock_ms() >= until)
			break;
		bool reading = drain.going || alone;
		fds[0] = (struct pollfd){alone ? -1 : STDIN_FILENO, POLLIN, 0};
		for (size_t i = 0; i < drain.count; i++) {
			const struct stream *stream = &drain.streams[i];
			bool watched = stream->state != STREAM_ENDED && (reading || !frozen);
			fds[i + 1] = (struct pollfd){watched ? stream->in : -1, POLLIN, 0};
		}
		if (poll(fds, drain.count + 1, alone ? 1000 : -1) < 0)
			continue;
		drain.taken = 0;
		for (size_t i = 0; i < drain.count; i++) {
			if (fds[i + 1].revents == 0)
				continue;
			if (reading)
				read_stream(&drain.streams[i]);
			else if (!frozen) {
				frozen = true;
				say_frozen();
			}
		}
		if (drain.taken > 0 && drain.taken < LITTLE_BYTES)
			nanosleep(&(struct timespec){.tv_nsec = MOMENT_NS}, NULL);
		if (fds[0].revents != 0 && !hear()) {
			alone = drain.discarding = true;
			until = clock_ms() + LINGER_MS;
		}
	}
}

/* By the word of the coordinator all are renamed; nobody hears that word any more where the service has gone. */
static void wait_for_renames(void)
{
	int64_t until = clock_ms() + RENAME_MS;
	while (drain_rename_pending(&drain) && clock_ms() < until)
		nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
}

/*
 * What an image may come to, so that a disk without room for it is found out before anything stops: what is resident of
 * the process (`statm`, in pages), and DMTCP's own.
 */
static long long image_bytes(pid_t pid)
{
	char path[64], text[128];
	long long size, resident;
	snprintf(path, sizeof path, "proc/%d/statm", (int)pid);
	int fd = peek_open(drain.root, path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	if (sscanf(text, "%lld %lld", &size, &resident) != 2)
		resident = 0;
	return resident * sysconf(_SC_PAGESIZE) + OWN_BYTES;
}

int drain_command(int argc, char **argv)
{
	if (!parse(argc, argv)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	/* Neither the service's end nor what ends the service is to end this: the container would notice. */
	setsid();
	for (int number = 1; number <= 64; number++)
		if (number != SIGKILL && number != SIGSTOP && number != SIGCHLD)
			signal(number, SIG_IGN);
	while (!drain.told)
		if (!hear())
			return 1;
	if (drain_holds(&drain))
		return 1;
	bool armed = drain_open_room(&drain);
	for (size_t i = 0; i < drain.count && armed; i++)
		armed = drain_arm(&drain, &drain.streams[i], image_bytes(drain.streams[i].pid));
	if (!armed) {
		drain_say("FAILED errno=%d %s", errno, strerror(errno));
		drain.discarding = true;
		drain_sweep(&drain);
		return 1;
	}
	drain_say("READY");
	run();
	for (size_t i = 0; i < drain.count; i++)
		if (drain.streams[i].state != STREAM_ENDED)
			drain_end_stream(&drain, &drain.streams[i]);
	wait_for_renames();
	drain_take_strays(&drain);
	drain_sweep(&drain);
	if (drain.discarding)
		return 1;
	drain_say("DONE");
	return 0;
}
