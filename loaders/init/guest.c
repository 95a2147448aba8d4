/*
 * `portlayer-init guest`: a service of a virtual machine's own system. Starts what the host asks for, carries lines
 * between the monitor and guestinfo, and is where the machine stands still to be cloned: a clone wakes up in here,
 * finds another `self` in what the host wrote, and tells the init who it is now.
 */
#include "guest.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "commands.h"
#include "protocol.h"
#include "unix_socket.h"

#define CONTROL GUEST_MONITOR "/control.sock"
#define HOLD_MS 6000 /* the monitor answers a FREEZE within 5 s */

static struct {
	struct guest_options options;
	struct guest_link link;
	int control;
	char in[2 * LINE_BYTES];
	size_t in_length;
	bool ended; /* EXIT was heard */
	bool held;  /* everything the init started is stopped */
	long long asked; /* the order whose answer the monitor owes, or 0 */
	char identity[LINE_BYTES]; /* what an ANSWER to a clone has beyond the incarnation */
} guest;

static bool say(const char *line)
{
	size_t length = strlen(line);
	return guest.control >= 0 && send(guest.control, line, length, MSG_NOSIGNAL) == (ssize_t)length &&
	       send(guest.control, "\n", 1, MSG_NOSIGNAL) == 1;
}

static void done(long long order, const char *result)
{
	struct line_writer line;
	line_begin(&line, "DONE");
	line_add_number(&line, "order", order);
	line_add(&line, "result", result);
	line_end(&line, LINE_BYTES);
	line.text[line.length - 1] = '\0';
	guest_link_push(&guest.link, line.text, false);
}

static void take_line(const char *text)
{
	static struct line line;
	if (strncmp(text, "GUEST ", 6) == 0) {
		/* Kept by the monitor until we acknowledge it, which is when the host has it. */
		guest_link_push(&guest.link, text, true);
	} else if (strncmp(text, "EXIT ", 5) == 0) {
		guest.ended = true;
		guest_link_push(&guest.link, text, false);
	} else if (line_decode(&line, text, strlen(text))) {
		const char *state = line_value(&line, "state"), *inc = line_value(&line, "inc");
		if (strcmp(line.word, "MONITOR") == 0 && state != NULL) {
			snprintf(guest.link.state, sizeof guest.link.state, "%s", state);
			snprintf(guest.link.incarnation, sizeof guest.link.incarnation, "%s", inc != NULL ? inc : "");
			guest.link.changed = true;
		} else if (guest.asked > 0 && (strcmp(line.word, "OK") == 0 || strcmp(line.word, "ERR") == 0)) {
			const char *reason = line_value(&line, "reason");
			done(guest.asked, reason != NULL ? reason : "ok");
			guest.asked = 0;
		}
	}
}

static void from_monitor(void)
{
	ssize_t got = read(guest.control, guest.in + guest.in_length, sizeof guest.in - 1 - guest.in_length);
	if (got <= 0) {
		close(guest.control);
		guest.control = -1;
		return;
	}
	guest.in_length += (size_t)got;
	for (char *end; (end = memchr(guest.in, '\n', guest.in_length)) != NULL;) {
		*end = '\0';
		take_line(guest.in);
		guest.in_length -= (size_t)(end + 1 - guest.in);
		memmove(guest.in, end + 1, guest.in_length);
	}
	if (guest.in_length == sizeof guest.in - 1)
		guest.in_length = 0;
}

/* Stops or continues the task, and waits for that: what is frozen must stand where it was asked to. */
static void hold(bool wish)
{
	int64_t until = clock_ms() + HOLD_MS;
	if (guest.held == wish)
		return;
	guest.asked = 0;
	say(wish ? "FREEZE" : "THAW");
	while (guest.control >= 0 && clock_ms() < until) {
		struct pollfd fd = {guest.control, POLLIN, 0};
		if (poll(&fd, 1, clock_timeout(until, clock_ms())) <= 0)
			break;
		guest.asked = -1;
		size_t before = guest.in_length;
		ssize_t got = read(guest.control, guest.in + before, sizeof guest.in - 1 - before);
		if (got <= 0)
			break;
		guest.in_length += (size_t)got;
		bool answered = false;
		for (char *end; (end = memchr(guest.in, '\n', guest.in_length)) != NULL;) {
			*end = '\0';
			if (strcmp(guest.in, "OK") == 0 || strncmp(guest.in, "ERR ", 4) == 0)
				answered = true;
			else
				take_line(guest.in);
			guest.in_length -= (size_t)(end + 1 - guest.in);
			memmove(guest.in, end + 1, guest.in_length);
		}
		if (answered)
			break;
	}
	guest.asked = 0;
	guest.held = wish;
}

static void acknowledge(size_t count)
{
	char text[32];
	snprintf(text, sizeof text, "ACK n=%zu", count);
	if (count > 0)
		say(text);
}

/* This is another machine now: a copy that runs on from where the frozen one stands. */
static void wake(const char *self, const char *role)
{
	bool original = strcmp(role, "original") == 0;
	snprintf(guest.link.self, sizeof guest.link.self, "%s", self);
	if (strcmp(role, "image") == 0) {
		/* A copy of a running machine: it goes on for nobody, but stands still to be cloned. */
		hold(true);
		guest_freeze();
		return;
	}
	if (!original) {
		acknowledge(guest_link_acknowledged(&guest.link, guest.link.last));
		guest_link_begin(&guest.link);
		guest_get("identity", guest.identity, sizeof guest.identity);
	}
	guest.link.changed = true;
	hold(false);
	if (!original) {
		char answer[2 * LINE_BYTES];
		snprintf(answer, sizeof answer, "ANSWER inc=%s result=restored value=0 %s", guest.link.incarnation, guest.identity);
		say(answer);
	}
}

static void carry_out(long long number, const char *order)
{
	guest.link.taken = number;
	guest.link.changed = true;
	if (strcmp(order, "HOLD") == 0 || strcmp(order, "RELEASE") == 0) {
		hold(order[0] == 'H');
		done(number, "ok");
	} else if (strcmp(order, "FORK") == 0) {
		hold(true);
		guest_link_publish(&guest.link);
		if (!guest_freeze()) {
			hold(false);
			done(number, "the hypervisor refused instantclone.freeze");
		}
	} else {
		say(order);
	}
}

/* A task may have ended before we could connect: its monitor has left a file. */
static bool read_exit(void)
{
	char text[LINE_BYTES];
	FILE *file = fopen(GUEST_MONITOR "/exit", "re");
	bool there = file != NULL && fgets(text, sizeof text, file) != NULL && strncmp(text, "EXIT ", 5) == 0;
	if (file != NULL)
		fclose(file);
	text[there ? strcspn(text, "\n") : 0] = '\0';
	if (there)
		take_line(text);
	return there;
}

/* What the host wrote since. False where it could not be read. */
static bool read_host(void)
{
	static char value[VALUE_BYTES];
	static struct guest_down down;
	long long acknowledged, number;
	char *order;
	if (!guest_get("down", value, sizeof value) || !guest_down_read(&down, value))
		return false;
	const char *self = line_value(&down.head, "self"), *boot = line_value(&down.head, "boot");
	const char *role = line_value(&down.head, "role");
	if (self == NULL || boot == NULL)
		return false;
	if (guest.link.self[0] != '\0' && strcmp(self, guest.link.self) != 0) {
		wake(self, role != NULL ? role : "");
		return true;
	}
	snprintf(guest.link.self, sizeof guest.link.self, "%s", self);
	if (strcmp(boot, guest.link.boot) != 0)
		return true;
	if (line_number(&down.head, "ack", 1, guest.link.last, &acknowledged))
		acknowledge(guest_link_acknowledged(&guest.link, acknowledged));
	while (guest_down_next(&down, &number, &order))
		if (number > guest.link.taken)
			carry_out(number, order);
	return true;
}

static void fail(const char *problem)
{
	struct line_writer line;
	line_begin(&line, "EXIT");
	line_add_number(&line, "code", EXIT_SETUP);
	line_add_number(&line, "signal", 0);
	line_add_number(&line, "at-ms", clock_wall_ms());
	line_add(&line, "failure", problem);
	line_end(&line, LINE_BYTES);
	line.text[line.length - 1] = '\0';
	fprintf(stderr, "portlayer-init guest: %s\n", problem);
	guest.ended = true;
	guest_link_push(&guest.link, line.text, false);
}

static void wait_for_launch(void)
{
	static char launch[VALUE_BYTES];
	while (!guest_get("launch", launch, sizeof launch) || launch[0] == '\0' || !read_host())
		poll(NULL, 0, (int)guest.options.poll_ms);
	const char *problem = guest_launch(&guest.options, launch);
	if (problem != NULL)
		fail(problem);
	else
		guest.control = unix_connect(CONTROL, false);
}

static void loop(void)
{
	int64_t next = 0;
	for (;;) {
		int64_t now = clock_ms();
		/* Nothing more comes from a monitor that has ended. */
		if (guest.control < 0 && !guest.ended) {
			guest.control = unix_connect(CONTROL, false);
			if (guest.control < 0 && !read_exit())
				fail("the monitor is gone and left no exit");
		}
		if (guest.link.changed && !guest_link_publish(&guest.link))
			poll(NULL, 0, (int)guest.options.poll_ms);
		if (now >= next) {
			read_host();
			next = clock_ms() + guest.options.poll_ms;
		}
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		struct pollfd fd = {guest.control, POLLIN, 0};
		if (!guest.link.changed && poll(&fd, 1, clock_timeout(next, clock_ms())) > 0 && guest.control >= 0)
			from_monitor();
	}
}

int guest_command(int argc, char **argv)
{
	guest.options = (struct guest_options){"/dev/ttyS0", "/var/lib/portlayer/state", 250};
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--log") == 0)
			guest.options.log = argv[i + 1];
		else if (strcmp(argv[i], "--state") == 0)
			guest.options.state = argv[i + 1];
		else if (strcmp(argv[i], "--poll-ms") == 0 && atoll(argv[i + 1]) > 0)
			guest.options.poll_ms = atoll(argv[i + 1]);
		else {
			fprintf(stderr, "usage: portlayer-init guest [--log PORT] [--state DIRECTORY] [--poll-ms N]\n");
			return EXIT_USAGE;
		}
	}
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	guest.control = -1;
	snprintf(guest.link.state, sizeof guest.link.state, "starting");
	guest_link_begin(&guest.link);
	wait_for_launch();
	loop();
	return 0;
}
