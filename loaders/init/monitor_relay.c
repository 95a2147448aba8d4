/*
 * relay.sock: what the init says, one line a connection, one connection at a time.
 * Once the init is known, only it is listened to: its tasks see the same socket.
 */
#include "monitor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "protocol.h"
#include "unix_socket.h"

bool relay_open(struct monitor *monitor)
{
	char path[sizeof monitor->directory_path + 32];
	snprintf(path, sizeof path, "%s/relay", monitor->directory_path);
	if (mkdir(path, 0755) != 0 && errno != EEXIST)
		return false;
	strcat(path, "/relay.sock");
	/* 0666: the init may run as another user; the directory above is closed to other users of the host. */
	monitor->relay.listener = unix_listen(path, 0666, 64);
	return monitor->relay.listener >= 0;
}

static void reply(struct monitor *monitor, const char *word, const char *reason)
{
	line_begin(&monitor->relay.out, word);
	if (reason != NULL)
		line_add(&monitor->relay.out, "reason", reason);
	line_end(&monitor->relay.out, LINE_BYTES);
}

static bool incarnation_valid(const char *text)
{
	return text != NULL && strlen(text) == 16 && strspn(text, "0123456789abcdef") == 16;
}

static void know_incarnation(struct monitor *monitor, const char *incarnation)
{
	if (strcmp(monitor->incarnation, incarnation) != 0) {
		strcpy(monitor->incarnation, incarnation);
		control_say_monitor(monitor);
	}
}

/* Puts a line aside for the service. Said once more, as after a lost reply, it takes no second place. */
static bool keep(struct monitor *monitor)
{
	struct relay_link *link = &monitor->relay;
	for (size_t i = 0; i < monitor->kept_count; i++) {
		struct kept_line *kept = &monitor->kept[i];
		if (kept->length == link->in_length && memcmp(kept->text, link->in, link->in_length) == 0)
			return true;
	}
	if (monitor->kept_count == KEPT_LINES)
		return false;
	memcpy(link->pending.text, link->in, link->in_length);
	link->pending.length = link->in_length;
	link->pending.sent = false;
	link->has_pending = true;
	return true;
}

static void fetch(struct monitor *monitor)
{
	if (monitor->answer_count == 0) {
		reply(monitor, "NONE", NULL);
		return;
	}
	struct kept_answer *oldest = &monitor->answers[0];
	memcpy(monitor->relay.out.text, oldest->text, oldest->length);
	monitor->relay.out.length = oldest->length;
	monitor->answer_count--;
	memmove(oldest, oldest + 1, monitor->answer_count * sizeof *oldest);
	if (monitor->answer_count == 0)
		monitor->ring_again = -1;
}

static void take_exited(struct monitor *monitor, const struct line *line)
{
	long long code, signal;
	if (!line_number(line, "code", 0, 255, &code) || !line_number(line, "signal", 0, 64, &signal)) {
		reply(monitor, "ERR", "form");
		return;
	}
	monitor->exit_reported = true;
	monitor->reported_code = code;
	monitor->reported_signal = signal;
	reply(monitor, "OK", NULL);
}

static void take_kept(struct monitor *monitor, const struct line *line)
{
	if (!keep(monitor)) {
		reply(monitor, "ERR", "busy");
		return;
	}
	if (strcmp(line->word, "STARTED") == 0) {
		monitor->state = "running";
		control_say_monitor(monitor);
	} else if (strcmp(line->word, "READY") == 0) {
		know_incarnation(monitor, line_value(line, "inc"));
	} else if (strcmp(line->word, "FAILED") == 0) {
		const char *text = line_value(line, "text"), *what = line_value(line, "what");
		snprintf(monitor->failure, sizeof monitor->failure, "%s", text != NULL ? text : what != NULL ? what : "failed");
	}
	reply(monitor, "OK", NULL);
}

static void handle(struct monitor *monitor, const struct line *line)
{
	const char *word = line->word;
	bool hello = strcmp(word, "HELLO") == 0, failed = strcmp(word, "FAILED") == 0;
	long long version;
	if (!line_number(line, "v", 1, 1, &version)) {
		reply(monitor, "ERR", "version");
		return;
	}
	if (!incarnation_valid(line_value(line, "inc"))) {
		reply(monitor, "ERR", "form");
		return;
	}
	if (monitor->init == 0 ? !hello && !failed : monitor->relay.peer != monitor->init) {
		reply(monitor, "ERR", "not-init");
		return;
	}
	if (hello) {
		if (monitor->init == 0) {
			child_init_is(monitor, monitor->relay.peer);
			monitor->incarnation[0] = '\0';
		}
		know_incarnation(monitor, line_value(line, "inc"));
		reply(monitor, "OK", NULL);
	} else if (failed || strcmp(word, "STARTED") == 0 || strcmp(word, "TRIGGER") == 0 || strcmp(word, "READY") == 0) {
		take_kept(monitor, line);
	} else if (strcmp(word, "FETCH") == 0) {
		fetch(monitor);
	} else if (strcmp(word, "EXITED") == 0) {
		take_exited(monitor, line);
	} else {
		reply(monitor, "ERR", "unknown-word");
	}
}

static void hang_up(struct monitor *monitor)
{
	struct relay_link *link = &monitor->relay;
	close(link->fd);
	link->fd = -1;
	if (link->has_pending && monitor->kept_count < KEPT_LINES) {
		monitor->kept[monitor->kept_count++] = link->pending;
		control_send_kept(monitor);
	}
	link->has_pending = false;
}

void relay_accept(struct monitor *monitor)
{
	struct relay_link *link = &monitor->relay;
	link->fd = accept4(link->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (link->fd < 0)
		return;
	link->phase = RELAY_READING;
	link->deadline = clock_ms() + PATIENCE_MS;
	link->peer = unix_peer_pid(link->fd);
	link->in_length = link->out_sent = 0;
	link->has_pending = false;
	relay_ready(monitor);
}

/* True when the whole line is there and was taken; hangs up where it cannot become one. */
static bool read_line(struct monitor *monitor)
{
	struct relay_link *link = &monitor->relay;
	ssize_t got = read(link->fd, link->in + link->in_length, sizeof link->in - link->in_length);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got > 0) {
		link->in_length += (size_t)got;
		char *end = memchr(link->in, '\n', link->in_length);
		if (end == NULL && link->in_length < sizeof link->in)
			return false;
		static struct line line;
		if (end != NULL && end + 1 == link->in + link->in_length &&
		    line_decode(&line, link->in, link->in_length - 1)) {
			handle(monitor, &line);
			return true;
		}
	}
	hang_up(monitor);
	return false;
}

void relay_ready(struct monitor *monitor)
{
	struct relay_link *link = &monitor->relay;
	if (link->phase == RELAY_READING) {
		if (!read_line(monitor))
			return;
		link->phase = RELAY_REPLYING;
	}
	if (link->phase == RELAY_REPLYING) {
		ssize_t sent = send(link->fd, link->out.text + link->out_sent, link->out.length - link->out_sent, MSG_NOSIGNAL);
		if (sent < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (sent < 0) {
			hang_up(monitor);
			return;
		}
		link->out_sent += (size_t)sent;
		if (link->out_sent < link->out.length)
			return;
		link->phase = RELAY_CLOSING;
	}
	char rest[64];
	ssize_t got = read(link->fd, rest, sizeof rest);
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR) || got > 0)
		hang_up(monitor);
}

void relay_deadline(struct monitor *monitor, int64_t now)
{
	if (monitor->relay.fd >= 0 && now >= monitor->relay.deadline)
		hang_up(monitor);
}
