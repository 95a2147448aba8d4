/*
 * The init's connection to its monitor: made when there is something to say, closed with the reply.
 * It never blocks the loop: a monitor that is slow, or stopped, must not keep the init from reaping.
 */
#include "init.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "unix_socket.h"

static void finish(struct relay *relay, enum relay_state state)
{
	if (relay->fd >= 0)
		close(relay->fd);
	relay->fd = -1;
	relay->state = state;
}

void relay_start(struct relay *relay, const char *text, size_t length, int64_t now)
{
	memcpy(relay->out, text, length);
	relay->out_length = length;
	relay->out_sent = relay->in_length = 0;
	relay->deadline = now + PATIENCE_MS;
	relay->fd = unix_connect(relay->path, true);
	relay->state = relay->fd < 0 ? RELAY_FAILED : RELAY_SENDING;
	relay_step(relay, now);
}

static bool again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

void relay_step(struct relay *relay, int64_t now)
{
	if (relay->state == RELAY_SENDING) {
		ssize_t sent = send(relay->fd, relay->out + relay->out_sent, relay->out_length - relay->out_sent, MSG_NOSIGNAL);
		if (sent > 0)
			relay->out_sent += (size_t)sent;
		else if (!again())
			finish(relay, RELAY_FAILED);
		if (relay->out_sent == relay->out_length)
			relay->state = RELAY_WAITING;
	}
	if (relay->state == RELAY_WAITING) {
		ssize_t got = read(relay->fd, relay->in + relay->in_length, sizeof relay->in - relay->in_length);
		if (got > 0) {
			relay->in_length += (size_t)got;
			if (relay->in[relay->in_length - 1] == '\n')
				finish(relay, RELAY_DONE);
			else if (relay->in_length == sizeof relay->in)
				finish(relay, RELAY_FAILED);
		} else if (got == 0 || !again())
			finish(relay, RELAY_FAILED);
	}
	if ((relay->state == RELAY_SENDING || relay->state == RELAY_WAITING) && now >= relay->deadline)
		finish(relay, RELAY_FAILED);
}

bool relay_say(const char *path, const struct line_writer *line, struct line *reply)
{
	static struct relay relay;
	int64_t until = clock_ms() + PATIENCE_MS;
	relay = (struct relay){.path = path, .fd = -1};
	relay_start(&relay, line->text, line->length, clock_ms());
	/* A full queue, of a monitor that is there, is tried again. */
	while (relay.state == RELAY_FAILED && errno == EAGAIN && clock_ms() < until) {
		poll(NULL, 0, 20);
		relay_start(&relay, line->text, line->length, clock_ms());
	}
	while (relay.state == RELAY_SENDING || relay.state == RELAY_WAITING) {
		struct pollfd fd = {relay.fd, relay.state == RELAY_SENDING ? POLLOUT : POLLIN, 0};
		poll(&fd, 1, clock_timeout(relay.deadline, clock_ms()));
		relay_step(&relay, clock_ms());
	}
	return relay.state == RELAY_DONE && line_decode(reply, relay.in, relay.in_length - 1);
}
