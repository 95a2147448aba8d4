/*
 * `portlayer-init machine`: the monitor's command for a virtual machine. Starts QEMU, is to the monitor what an init is,
 * and carries its lines, signals and output to and from the serial ports of the guest.
 */
#include "machine.h"
#include "machine_host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "commands.h"
#include "protocol.h"
#include "unix_socket.h"

#define END_MS 3000 /* for QEMU to end by itself, its disks closed */

static struct {
	struct machine_options options;
	struct port_lines control, replies, orders;
	int ports[3], relay, listener, order, signals;
	pid_t qemu;
	int status;
	bool qemu_ended, gone;
	struct machine_dump dump;
	int code;
} bridge;

/* One line to the monitor over a connection of its own; the reply is not needed. */
static void tell_monitor(const char *word, const char *incarnation, const char *text)
{
	struct line_writer line;
	char reply[LINE_BYTES];
	line_begin(&line, word);
	line_add_number(&line, "v", 1);
	line_add(&line, "inc", incarnation);
	line_add_number(&line, "pid", 1);
	if (text != NULL) {
		line_add(&line, "what", "machine");
		line_add(&line, "text", text);
	}
	int fd = line_end(&line, GUEST_BYTES) ? unix_connect(bridge.options.relay, false) : -1;
	if (fd < 0)
		return;
	if (send(fd, line.text, line.length, MSG_NOSIGNAL) > 0 && poll(&(struct pollfd){fd, POLLIN, 0}, 1, PATIENCE_MS) > 0) {
		ssize_t ignored = read(fd, reply, sizeof reply);
		(void)ignored;
	}
	close(fd);
}

static void relay_close(void)
{
	if (bridge.relay >= 0)
		close(bridge.relay);
	bridge.relay = -1;
	bridge.replies.length = 0;
}

static void relay_line(const char *line)
{
	char text[LINE_BYTES + 1];
	int length = snprintf(text, sizeof text, "%.*s\n", LINE_BYTES - 1, line);
	relay_close();
	bridge.relay = unix_connect(bridge.options.relay, false);
	if (bridge.relay < 0 || send(bridge.relay, text, (size_t)length, MSG_NOSIGNAL) != length) {
		relay_close();
		port_say(bridge.ports[0], "R", "ERR reason=relay-unreachable");
	}
}

static void take(const char *line)
{
	if (strncmp(line, "L ", 2) == 0) {
		relay_line(line + 2);
	} else if (strcmp(line, "C") == 0) {
		relay_close();
	} else if (strncmp(line, "A ", 2) == 0 && bridge.order >= 0) {
		port_say(bridge.order, "A", line + 2);
	} else if (strncmp(line, "G ", 2) == 0) {
		bridge.gone = true;
		bridge.code = atoi(line + 2) & 255;
	}
}

static void from_guest(void)
{
	static char line[PORT_LINE];
	/* At its end QEMU has ended, which SIGCHLD tells. */
	if (!port_fill(&bridge.control, bridge.ports[0])) {
		close(bridge.ports[0]);
		bridge.ports[0] = -1;
	}
	while (port_next(&bridge.control, line))
		take(line);
}

static void from_monitor(void)
{
	static char line[PORT_LINE];
	bool open = port_fill(&bridge.replies, bridge.relay);
	while (bridge.relay >= 0 && port_next(&bridge.replies, line))
		port_say(bridge.ports[0], "R", line);
	if (!open)
		relay_close();
}

static void from_service(void)
{
	static char line[PORT_LINE];
	bool open = port_fill(&bridge.orders, bridge.order);
	while (bridge.order >= 0 && port_next(&bridge.orders, line)) {
		if (strncmp(line, "DUMP\t", 5) == 0) {
			machine_dump_begin(&bridge.dump, line + 5, bridge.order);
			bridge.order = -1;
		} else {
			port_say(bridge.ports[0], "O", line);
		}
	}
	if (!open && bridge.order >= 0) {
		close(bridge.order);
		bridge.order = -1;
	}
}

static void take_service(void)
{
	int fd = accept4(bridge.listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (bridge.order >= 0)
		close(bridge.order);
	bridge.order = fd;
	bridge.orders.length = 0;
}

static void take_signal(int number)
{
	int status;
	char text[16];
	if (number == SIGCHLD) {
		pid_t pid;
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (pid == bridge.qemu) {
				bridge.qemu_ended = true;
				bridge.status = status;
			} else if (pid == bridge.dump.worker) {
				machine_dump_ended(&bridge.dump, status);
			}
		}
	} else if (number == SIGNAL_DOORBELL) {
		port_say(bridge.ports[0], "B", NULL);
	} else if (number != SIGNAL_FREEZE && number != SIGNAL_ASK && number != SIGNAL_ANSWER) {
		snprintf(text, sizeof text, "%d", number);
		port_say(bridge.ports[0], "S", text);
	}
}

/* Output of the task to the monitor's pipe; false when there is no more for now. */
static bool copy(int *from, int to)
{
	char buffer[16384];
	ssize_t got = *from >= 0 ? read(*from, buffer, sizeof buffer) : -1;
	if (got <= 0) {
		if (got == 0) {
			close(*from);
			*from = -1;
		}
		return false;
	}
	for (ssize_t at = 0; at < got;) {
		ssize_t sent = write(to, buffer + at, (size_t)(got - at));
		if (sent > 0)
			at += sent;
		else if (errno != EINTR && errno != EAGAIN)
			return false;
	}
	return true;
}

static void loop(void)
{
	struct signalfd_siginfo info;
	struct machine_dump *dump = &bridge.dump;
	while (!bridge.gone && !bridge.qemu_ended) {
		struct pollfd fds[] = {
			{bridge.signals, POLLIN, 0},  {bridge.ports[0], POLLIN, 0}, {bridge.ports[1], POLLIN, 0},
			{bridge.ports[2], POLLIN, 0}, {bridge.relay, POLLIN, 0},    {bridge.listener, POLLIN, 0},
			{bridge.order, POLLIN, 0},    {dump->listener, POLLIN, 0},  {dump->draining ? dump->stream : -1, POLLIN, 0},
			{dump->order, POLLIN, 0},
		};
		if (poll(fds, sizeof fds / sizeof fds[0], -1) <= 0)
			continue;
		if (fds[9].revents != 0)
			machine_dump_order_closed(dump);
		if (fds[7].revents != 0 && dump->listener >= 0)
			machine_dump_accept(dump);
		if (fds[8].revents != 0)
			machine_dump_drain(dump);
		if (fds[2].revents != 0)
			copy(&bridge.ports[1], STDOUT_FILENO);
		if (fds[3].revents != 0)
			copy(&bridge.ports[2], STDERR_FILENO);
		if (fds[4].revents != 0)
			from_monitor();
		if (fds[1].revents != 0)
			from_guest();
		if (fds[6].revents != 0 && bridge.order >= 0)
			from_service();
		if (fds[5].revents != 0)
			take_service();
		if (fds[0].revents != 0)
			while (read(bridge.signals, &info, sizeof info) == sizeof info)
				take_signal((int)info.ssi_signo);
	}
}

/* QEMU closes its disks on SIGTERM; one that does not end in time is killed: the guest has written everything. */
static void end_qemu(void)
{
	int64_t until = clock_ms() + END_MS;
	kill(bridge.qemu, SIGTERM);
	while (!bridge.qemu_ended && clock_ms() < until) {
		bridge.qemu_ended = waitpid(bridge.qemu, &bridge.status, WNOHANG) == bridge.qemu;
		if (!bridge.qemu_ended)
			poll(NULL, 0, 2);
	}
	if (!bridge.qemu_ended)
		kill(bridge.qemu, SIGKILL);
}

static int ended_alone(void)
{
	char text[160];
	int status = bridge.status;
	if (WIFSIGNALED(status))
		snprintf(text, sizeof text, "The machine ended: QEMU was ended by signal %d.", WTERMSIG(status));
	else if (WEXITSTATUS(status) == 0)
		snprintf(text, sizeof text, "The machine ended without a word of its init: it was reset, or its kernel panicked.");
	else
		snprintf(text, sizeof text, "QEMU ended with code %d.", WEXITSTATUS(status));
	relay_close();
	tell_monitor("FAILED", "0000000000000000", text);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : 125;
}

int machine_command(int argc, char **argv)
{
	const char *problem = machine_options_parse(argc, argv, &bridge.options);
	int theirs[3];
	sigset_t all;
	if (problem != NULL) {
		fprintf(stderr, "portlayer-init machine: %s\n", problem);
		return EXIT_USAGE;
	}
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	bridge.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	bridge.relay = bridge.order = -1;
	machine_dump_none(&bridge.dump);
	for (int i = 0; i < 3; i++) {
		int ends[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
			return EXIT_SETUP;
		bridge.ports[i] = ends[0];
		theirs[i] = ends[1];
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
	}
	bridge.listener = unix_listen(bridge.options.orders, 0600, 8);
	if (bridge.listener < 0) {
		fprintf(stderr, "portlayer-init machine: %s: %s\n", bridge.options.orders, strerror(errno));
		return EXIT_SETUP;
	}
	if (bridge.options.resume != NULL) {
		/* In the guest's port before it runs: what was under way there had another host. */
		port_say(bridge.ports[0], "", NULL);
		port_say(bridge.ports[0], "Z", NULL);
		tell_monitor("HELLO", bridge.options.resume, NULL);
	}
	bridge.qemu = machine_start(&bridge.options, theirs);
	for (int i = 0; i < 3; i++)
		close(theirs[i]);
	loop();
	/* What the guest had written by its last word is in the sockets. */
	while (copy(&bridge.ports[1], STDOUT_FILENO))
		;
	while (copy(&bridge.ports[2], STDERR_FILENO))
		;
	unlink(bridge.options.orders);
	if (!bridge.gone)
		return ended_alone();
	relay_close();
	end_qemu();
	return bridge.code;
}
