/* control.sock: the service's side. One connection; a new one takes the place of the old. */
#include "monitor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "protocol.h"
#include "unix_socket.h"

bool control_open(struct monitor *monitor)
{
	char path[sizeof monitor->directory_path + 32];
	snprintf(path, sizeof path, "%s/control.sock", monitor->directory_path);
	monitor->control.listener = unix_listen(path, 0600, 16);
	return monitor->control.listener >= 0;
}

void control_close(struct monitor *monitor)
{
	if (monitor->control.fd >= 0)
		close(monitor->control.fd);
	monitor->control.fd = -1;
	monitor->control.in_length = monitor->control.out_length = 0;
	for (size_t i = 0; i < monitor->kept_count; i++)
		monitor->kept[i].sent = false;
}

void control_write(struct monitor *monitor)
{
	struct control_link *link = &monitor->control;
	while (link->fd >= 0 && link->out_length > 0) {
		ssize_t sent = send(link->fd, link->out, link->out_length, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			return;
		if (sent < 0) {
			control_close(monitor);
			return;
		}
		link->out_length -= (size_t)sent;
		memmove(link->out, link->out + sent, link->out_length);
	}
}

void control_send(struct monitor *monitor, const char *text, size_t length)
{
	struct control_link *link = &monitor->control;
	if (link->fd < 0)
		return;
	if (link->out_length + length > sizeof link->out) {
		/* It does not read. What counts is kept, and it gets it when it comes back. */
		control_close(monitor);
		return;
	}
	memcpy(link->out + link->out_length, text, length);
	link->out_length += length;
	control_write(monitor);
}

void control_error(struct monitor *monitor, const char *reason)
{
	struct line_writer line;
	line_begin(&line, "ERR");
	line_add(&line, "reason", reason);
	line_end(&line, LINE_BYTES);
	control_send(monitor, line.text, line.length);
}

void control_say_monitor(struct monitor *monitor)
{
	struct line_writer line;
	line_begin(&line, "MONITOR");
	line_add_number(&line, "v", 1);
	line_add_number(&line, "pid", getpid());
	line_add_number(&line, "init", monitor->init);
	line_add(&line, "inc", monitor->incarnation);
	line_add(&line, "state", monitor->state);
	line_end(&line, LINE_BYTES);
	control_send(monitor, line.text, line.length);
}

void control_send_kept(struct monitor *monitor)
{
	for (size_t i = 0; i < monitor->kept_count && monitor->control.fd >= 0; i++) {
		struct kept_line *kept = &monitor->kept[i];
		if (kept->sent)
			continue;
		char text[LINE_BYTES];
		memcpy(text, "GUEST ", 6);
		memcpy(text + 6, kept->text, kept->length);
		kept->sent = true;
		control_send(monitor, text, 6 + kept->length);
	}
}

static void acknowledge(struct monitor *monitor, const struct line *line)
{
	long long count;
	size_t sent = 0;
	while (sent < monitor->kept_count && monitor->kept[sent].sent)
		sent++;
	if (!line_number(line, "n", 1, KEPT_LINES, &count) || (size_t)count > sent) {
		control_error(monitor, "bad-ack");
		return;
	}
	monitor->kept_count -= (size_t)count;
	memmove(monitor->kept, monitor->kept + count, monitor->kept_count * sizeof monitor->kept[0]);
}

static void take_answer(struct monitor *monitor, const struct line *line, const char *text, size_t length)
{
	if (line_value(line, "result") == NULL) {
		control_error(monitor, "form");
		return;
	}
	if (monitor->answer_count == KEPT_ANSWERS) {
		control_error(monitor, "answers-full");
		return;
	}
	struct kept_answer *answer = &monitor->answers[monitor->answer_count++];
	memcpy(answer->text, text, length);
	answer->length = length;
	monitor->ring_pause_ms = 1000;
	child_ring(monitor, clock_ms());
}

static void send_signal(struct monitor *monitor, const struct line *line)
{
	long long number;
	if (!line_number(line, "n", 1, 64, &number)) {
		control_error(monitor, "form");
	} else if (number == SIGKILL) {
		child_kill(monitor, clock_ms());
	} else if (number == SIGSTOP || number == SIGCHLD || (number >= SIGNAL_ASK && number <= SIGNAL_FREEZE)) {
		/* The init cannot catch the first, and has a use of its own for the others. */
		control_error(monitor, "signal-not-forwarded");
	} else if (monitor->init == 0) {
		control_error(monitor, "no-init");
	} else if (!child_signal(monitor, (int)number, NULL)) {
		control_error(monitor, strerror(errno));
	}
}

static void handle(struct monitor *monitor, const struct line *line, const char *text, size_t length)
{
	long long pid;
	if (strcmp(line->word, "ACK") == 0) {
		acknowledge(monitor, line);
	} else if (strcmp(line->word, "ANSWER") == 0) {
		take_answer(monitor, line, text, length);
	} else if (strcmp(line->word, "SIGNAL") == 0) {
		send_signal(monitor, line);
	} else if (strcmp(line->word, "FREEZE") == 0) {
		child_freeze(monitor, FREEZE_STOP, clock_ms());
	} else if (strcmp(line->word, "THAW") == 0) {
		child_freeze(monitor, FREEZE_CONTINUE, clock_ms());
	} else if (strcmp(line->word, "KILL") == 0) {
		child_kill(monitor, clock_ms());
	} else if (strcmp(line->word, "INIT") == 0) {
		if (!line_number(line, "pid", 2, 4194304, &pid)) {
			control_error(monitor, "form");
			return;
		}
		child_init_is(monitor, (pid_t)pid);
		monitor->state = "running";
		control_say_monitor(monitor);
		if (monitor->answer_count > 0)
			child_ring(monitor, clock_ms());
	} else {
		control_error(monitor, "unknown-word");
	}
}

void control_read(struct monitor *monitor)
{
	struct control_link *link = &monitor->control;
	ssize_t got = read(link->fd, link->in + link->in_length, sizeof link->in - link->in_length);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		control_close(monitor);
		return;
	}
	link->in_length += (size_t)got;
	size_t at = 0;
	char *end;
	while (link->fd >= 0 && (end = memchr(link->in + at, '\n', link->in_length - at)) != NULL) {
		static struct line line;
		size_t length = (size_t)(end - link->in) - at;
		if (!line_decode(&line, link->in + at, length)) {
			control_close(monitor);
			return;
		}
		handle(monitor, &line, link->in + at, length + 1);
		at += length + 1;
	}
	if (link->fd < 0)
		return;
	link->in_length -= at;
	memmove(link->in, link->in + at, link->in_length);
	if (link->in_length == sizeof link->in)
		control_close(monitor);
}

void control_accept(struct monitor *monitor)
{
	int fd = accept4(monitor->control.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	control_close(monitor);
	monitor->control.fd = fd;
	control_say_monitor(monitor);
	control_send_kept(monitor);
}
