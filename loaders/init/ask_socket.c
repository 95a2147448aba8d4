/* Askers by socket, of which the `checkpoint` tool is one. Anyone inside may connect, so anything may come. */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unix_socket.h"

#define ACCEPT_MAX 16 /* in one turn of the loop, so that reaping goes on beside a flood */

/*
 * What DMTCP writes into a connection of a process that it is about to dump. It would wait for the other end for
 * ever: that end says where to hear more and closes. What it said is read in the original and in every copy.
 */
#define DRAIN_COOKIE "[dmtcp{"
#define DRAIN_COOKIE_BYTES 7

/* The tool says of itself that it is one; nothing depends on it. */
static const char *from_of(const struct line *line)
{
	const char *tool = line_value(line, "tool");
	return tool != NULL && strcmp(tool, "1") == 0 ? "tool" : "socket";
}

static void take(struct init *init, struct asker *asker, int64_t now)
{
	static struct line line;
	long long version, limit_ms = DEFAULT_LIMIT_MS;
	if (!line_decode(&line, asker->text, asker->length - 1)) {
		asker_refuse(asker, "form");
		return;
	}
	const char *mechanism = line_value(&line, "mech");
	if (mechanism == NULL)
		mechanism = "any";
	if (strcmp(line.word, "RESULT") == 0 && line_number(&line, "v", 1, 1, &version))
		trigger_ask_again(init, asker, now);
	else if (strcmp(line.word, "CHECKPOINT") != 0)
		asker_refuse(asker, "unknown-word");
	else if (!line_number(&line, "v", 1, 1, &version))
		asker_refuse(asker, "version");
	else if (line_value(&line, "timeout-ms") != NULL && !line_number(&line, "timeout-ms", 1, LIMIT_MAX_MS, &limit_ms))
		asker_refuse(asker, "form");
	else if (!line_mechanism_valid(mechanism))
		asker_refuse(asker, "unknown-mechanism");
	else if (!askers_room(&init->askers))
		asker_refuse(asker, "too-many-askers");
	else {
		asker->kind = ASKER_SOCKET_WAITING;
		trigger_ask(init, asker, from_of(&line), mechanism, limit_ms, &line, now);
	}
}

static void forget(struct asker *asker)
{
	close(asker->fd);
	asker->kind = ASKER_NONE;
}

void ask_socket_ready(struct init *init, struct asker *asker, int64_t now)
{
	if (asker->kind == ASKER_SOCKET_WAITING) {
		/* It has said all it had to say: what comes is its end, or noise. */
		char noise[256];
		ssize_t got = read(asker->fd, noise, sizeof noise);
		if (got >= DRAIN_COOKIE_BYTES && memcmp(noise, DRAIN_COOKIE, DRAIN_COOKIE_BYTES) == 0)
			asker_answer(asker, &(struct answer){.result = "again", .value = 0, .code = -1});
		else if (got > 0 || got == 0 || (errno != EAGAIN && errno != EINTR))
			forget(asker);
		return;
	}
	ssize_t got = read(asker->fd, asker->text + asker->length, sizeof asker->text - asker->length);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		forget(asker);
		return;
	}
	asker->length += (size_t)got;
	char *end = memchr(asker->text, '\n', asker->length);
	if (end != NULL && end + 1 == asker->text + asker->length)
		take(init, asker, now);
	else if (end != NULL || asker->length == sizeof asker->text)
		asker_refuse(asker, "form");
}

void ask_socket_accept(struct init *init, int64_t now)
{
	for (int i = 0; i < ACCEPT_MAX; i++) {
		int fd = accept4(init->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		struct asker *asker = askers_place(&init->askers, true);
		if (asker == NULL) {
			struct asker refused = {.kind = ASKER_SOCKET_WAITING, .fd = fd};
			asker_refuse(&refused, "too-many-askers");
			continue;
		}
		asker->kind = ASKER_SOCKET_READING;
		asker->fd = fd;
		asker->pid = unix_peer_pid(fd);
		asker->length = 0;
		asker->deadline = now + PATIENCE_MS;
	}
}
