/*
 * `portlayer-init machine-init`: PID 1 of a guest. Brings the root file system up, starts the init in a pid namespace of
 * its own, and is to it what the monitor is to an init of the host, with a serial port in between.
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "commands.h"
#include "protocol.h"
#include "unix_socket.h"

#define RELAY "/run/portlayer/relay.sock"
/* linux/fs.h, which musl-gcc does not see. */
#define FREEZE_FS _IOWR('X', 119, int)
#define THAW_FS _IOWR('X', 120, int)
#define FROZEN_MS 10000 /* a file system that nobody thaws is thawed after this */

enum relay_phase { RELAY_NONE, RELAY_READING, RELAY_ASKED, RELAY_CLOSING };

static struct {
	struct machine_ports ports;
	struct port_lines lines;
	int listener, relay, out, err, signals, root;
	enum relay_phase phase;
	char said[LINE_BYTES];
	size_t said_length;
	char missed[64];
	bool copied;
	int64_t copied_at;
	int64_t thaw_at; /* -1: not frozen */
	pid_t init;
	int status;
	bool ended;
} machine;

static void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void thaw(void)
{
	if (machine.thaw_at >= 0)
		ioctl(machine.root, THAW_FS, 0);
	machine.thaw_at = -1;
}

static void relay_drop(void)
{
	if (machine.relay >= 0)
		close(machine.relay);
	machine.relay = -1;
	machine.phase = RELAY_NONE;
	machine.said_length = 0;
}

static void relay_reply(const char *line)
{
	char text[LINE_BYTES + 2];
	if (machine.phase != RELAY_ASKED)
		return;
	/* A copy is told who it is: the machine's part is done before the init hears of it, and so before any asker. */
	if (strncmp(line, "ANSWER ", 7) == 0 && strstr(line, " result=restored") != NULL) {
		machine.copied_at = clock_us();
		machine_new_identity(line, machine.missed, sizeof machine.missed);
		machine.copied = true;
	}
	int length = snprintf(text, sizeof text, "%.*s\n", LINE_BYTES - 1, line);
	send(machine.relay, text, (size_t)length, MSG_NOSIGNAL);
	machine.phase = RELAY_CLOSING;
}

/* READY says what could not be applied, of the init's part and of ours, and who this has become. */
static void relay_ask(char *line)
{
	char who[320], text[LINE_BYTES + sizeof machine.missed + sizeof who + 48];
	if (!machine.copied || strncmp(line, "READY ", 6) != 0) {
		port_say(machine.ports.control, "L", line);
		return;
	}
	const char *join = machine.missed[0] == '\0' ? "" : strstr(line, " missed=") != NULL ? "+" : " missed=";
	machine_who(who, sizeof who);
	snprintf(text, sizeof text, "%s%s%s %s is-took-us=%lld", line, join, machine.missed, who,
		 (long long)(clock_us() - machine.copied_at));
	port_say(machine.ports.control, "L", text);
}

static void relay_read(void)
{
	if (machine.phase == RELAY_CLOSING || machine.phase == RELAY_ASKED) {
		char rest[64];
		if (read(machine.relay, rest, sizeof rest) == 0) {
			port_say(machine.ports.control, "C", NULL);
			relay_drop();
		}
		return;
	}
	ssize_t got = read(machine.relay, machine.said + machine.said_length, sizeof machine.said - 1 - machine.said_length);
	if (got <= 0) {
		relay_drop();
		return;
	}
	machine.said_length += (size_t)got;
	machine.said[machine.said_length] = '\0';
	char *end = strchr(machine.said, '\n');
	if (end != NULL) {
		*end = '\0';
		machine.phase = RELAY_ASKED;
		relay_ask(machine.said);
	} else if (machine.said_length == sizeof machine.said - 1) {
		relay_drop();
	}
}

static void relay_accept(void)
{
	int fd = accept4(machine.listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (unix_peer_pid(fd) != machine.init) {
		static const char refusal[] = "ERR reason=not-init\n";
		send(fd, refusal, sizeof refusal - 1, MSG_NOSIGNAL);
		close(fd);
		return;
	}
	machine.relay = fd;
	machine.phase = RELAY_READING;
}

static void order(const char *text)
{
	char answer[LINE_BYTES];
	if (strcmp(text, "FREEZE") == 0) {
		/* What is not on the disk yet is written before, so that writers wait as short as can be. */
		syncfs(machine.root);
		bool frozen = ioctl(machine.root, FREEZE_FS, 0) == 0 || errno == EBUSY;
		machine.thaw_at = frozen ? clock_ms() + FROZEN_MS : -1;
		snprintf(answer, sizeof answer, "%s", frozen ? "frozen" : strerror(errno));
	} else if (strcmp(text, "THAW") == 0) {
		/* One that was thawed by its limit may have been written to since: the host must know. */
		snprintf(answer, sizeof answer, "%s", machine.thaw_at >= 0 ? "thawed" : "late");
		thaw();
	} else {
		snprintf(answer, sizeof answer, "unknown");
	}
	port_say(machine.ports.control, "A", answer);
}

static void take(const char *line)
{
	switch (line[0]) {
	case 'R':
		relay_reply(line + 2);
		break;
	case 'B':
		sigqueue(machine.init, SIGNAL_DOORBELL, (union sigval){.sival_int = 0});
		break;
	case 'S':
		kill(machine.init, atoi(line + 2));
		break;
	case 'O':
		order(line + 2);
		break;
	case 'Z':
		thaw();
		relay_drop();
		break;
	default:
		break;
	}
}

/* From a pipe of the task to the port; false at its end. */
static bool copy(int from, int to)
{
	char buffer[4096];
	ssize_t got = read(from, buffer, sizeof buffer);
	for (ssize_t at = 0; at < got;) {
		ssize_t sent = write(to, buffer + at, (size_t)(got - at));
		if (sent > 0)
			at += sent;
		else if (errno != EAGAIN && errno != EINTR)
			break;
	}
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static void reap(void)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == machine.init) {
			machine.ended = true;
			machine.status = status;
		}
	}
}

static void loop(void)
{
	static char line[PORT_LINE];
	while (!machine.ended) {
		int64_t now = clock_ms();
		if (machine.thaw_at >= 0 && now >= machine.thaw_at)
			thaw();
		struct pollfd fds[] = {
			{machine.signals, POLLIN, 0}, {machine.ports.control, POLLIN, 0},
			{machine.out, POLLIN, 0},     {machine.err, POLLIN, 0},
			{machine.relay, POLLIN, 0},   {machine.relay < 0 ? machine.listener : -1, POLLIN, 0},
		};
		if (poll(fds, 6, clock_timeout(machine.thaw_at, now)) <= 0)
			continue;
		struct signalfd_siginfo info;
		if (fds[0].revents != 0)
			while (read(machine.signals, &info, sizeof info) == sizeof info)
				reap();
		if (fds[1].revents & POLLIN) {
			port_fill(&machine.lines, machine.ports.control);
			while (port_next(&machine.lines, line))
				take(line);
		} else if (fds[1].revents & POLLHUP) {
			/* Nobody is at the host's end yet. */
			poll(NULL, 0, 1);
		}
		if (fds[2].revents != 0 && !copy(machine.out, machine.ports.out))
			machine.out = -1;
		if (fds[3].revents != 0 && !copy(machine.err, machine.ports.err))
			machine.err = -1;
		if (fds[4].revents != 0 && machine.relay >= 0)
			relay_read();
		if (fds[5].revents != 0)
			relay_accept();
	}
	/* Whoever holds the pipes has been ended with the namespace: what is in them is all there will be. */
	for (int i = 0; i < 2; i++) {
		int from = i == 0 ? machine.out : machine.err;
		while (from >= 0 && copy(from, i == 0 ? machine.ports.out : machine.ports.err))
			;
	}
}

static int start_init(const struct machine_launch *launch)
{
	int out[2], err[2];
	if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 || unshare(CLONE_NEWPID) != 0)
		return -1;
	machine.init = fork();
	if (machine.init == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		if (unshare(CLONE_NEWNS) != 0)
			_exit(EXIT_SETUP);
		_exit(init_command(launch->argc, launch->argv));
	}
	close(out[1]);
	close(err[1]);
	machine.out = out[0];
	machine.err = err[0];
	return machine.init;
}

static void fail(const char *what)
{
	struct line_writer line;
	char text[200];
	snprintf(text, sizeof text, "The machine ended: %.120s: %.40s", what, strerror(errno));
	fprintf(stderr, "portlayer-init: %s\n", text);
	if (machine.ports.control > 0) {
		line_begin(&line, "FAILED");
		line_add_number(&line, "v", 1);
		line_add(&line, "inc", "0000000000000000");
		line_add(&line, "what", "machine");
		line_add(&line, "text", text);
		if (line_end(&line, GUEST_BYTES))
			port_say(machine.ports.control, "L", line.text);
		poll(NULL, 0, 200);
		port_say(machine.ports.control, "G", "125 0");
		poll(NULL, 0, 2000);
	}
	power_off();
}

int machine_init_command(int argc, char **argv)
{
	static struct machine_launch launch;
	(void)argc;
	(void)argv;
	machine.relay = machine.out = machine.err = -1;
	machine.thaw_at = -1;
	bool launched = machine_read_launch(&launch);
	const char *problem = machine_boot(&machine.ports);
	if (problem != NULL)
		fail(problem);
	if (!launched)
		fail("the initramfs has no usable /launch");
	environ = launch.environment;
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	machine.signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	machine.root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	machine.listener = unix_listen(RELAY, 0666, 64);
	machine_first_identity();
	if (machine.listener < 0 || machine.root < 0 || start_init(&launch) < 0)
		fail("cannot start the init");
	loop();
	thaw();
	sync();
	mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	char text[40];
	int status = machine.status, number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	snprintf(text, sizeof text, "%d %d", number > 0 ? 128 + number : WEXITSTATUS(status), number);
	port_say(machine.ports.control, "G", text);
	/* The host ends the machine now; where it does not, we do. */
	poll(NULL, 0, 5000);
	power_off();
	return 0;
}
