/* `checkpoint`: how a shell script inside asks for a checkpoint and learns what it is afterwards. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "line.h"
#include "protocol.h"
#include "unix_socket.h"

#define EXIT_RESTORED 10
#define CONNECT_TRIES 50

static const char help[] =
	"usage: checkpoint [--mechanism M] [--label K=V]... [--timeout SECONDS]\n"
	"\n"
	"Asks the port layer to checkpoint this container, and waits for the answer.\n"
	"\n"
	"  --mechanism M   vmfork, criu, dmtcp or exit-code; without it the port layer chooses\n"
	"  --label K=V     put a label on the checkpoint\n"
	"  --timeout S     give up after S seconds (default 600)\n"
	"\n"
	"Exit code:\n"
	"  0    this is the original; the checkpoint's id is printed\n"
	"  10   this is a restored copy; `restored` is printed\n"
	"  1    refused or failed; the reason is on standard error\n"
	"  2    wrong usage\n"
	"  85   (or what the container has set) record your state and exit with this code\n";

static int usage(const char *problem)
{
	fprintf(stderr, "checkpoint: %s; see checkpoint --help\n", problem);
	return EXIT_USAGE;
}

/* Reads the options into the line to be sent. NULL, or what is wrong; `*helped` where only help was asked for. */
static const char *compose(int argc, char **argv, struct line_writer *line, bool *helped)
{
	static const struct option known[] = {
		{"mechanism", required_argument, NULL, 'm'},
		{"label", required_argument, NULL, 'l'},
		{"timeout", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *mechanism = "any";
	char *labels[LINE_FIELDS], *end, key[80];
	size_t label_count = 0;
	double seconds = DEFAULT_LIMIT_MS / 1000.0;
	int chosen;
	opterr = 0;
	while ((chosen = getopt_long(argc, argv, "+m:l:t:h", known, NULL)) != -1) {
		switch (chosen) {
		case 'm':
			mechanism = optarg;
			if (!line_mechanism_valid(mechanism))
				return "--mechanism takes a name such as criu";
			break;
		case 'l':
			end = strchr(optarg, '=');
			if (end == NULL || end == optarg || end - optarg > 57 || !line_key_valid(optarg, (size_t)(end - optarg)))
				return "--label takes KEY=VALUE, with a key of a-z, 0-9, . and -";
			if (label_count == LINE_FIELDS)
				return "too many labels";
			labels[label_count++] = optarg;
			break;
		case 't':
			seconds = strtod(optarg, &end);
			if (end == optarg || *end != '\0' || !(seconds >= 0.001 && seconds <= LIMIT_MAX_MS / 1000.0))
				return "--timeout takes a number of seconds";
			break;
		case 'h':
			*helped = true;
			return NULL;
		default:
			return "unknown option, or an option without its value";
		}
	}
	if (optind < argc)
		return "it takes no arguments but its options";
	line_begin(line, "CHECKPOINT");
	line_add_number(line, "v", 1);
	line_add(line, "mech", mechanism);
	line_add_number(line, "timeout-ms", (long long)(seconds * 1000));
	line_add(line, "tool", "1");
	for (size_t i = 0; i < label_count; i++) {
		end = strchr(labels[i], '=');
		snprintf(key, sizeof key, "label.%.*s", (int)(end - labels[i]), labels[i]);
		line_add(line, key, end + 1);
	}
	return line_end(line, LINE_BYTES) ? NULL : "the labels are too long for one line";
}

static int reach(const char *path)
{
	int fd = -1;
	/* EAGAIN: many ask at once, and the queue is full for the moment. */
	for (int i = 0; i < CONNECT_TRIES && (fd = unix_connect(path, true)) < 0 && errno == EAGAIN; i++)
		poll(NULL, 0, 100);
	return fd;
}

/*
 * Sends the line and reads the answer, however long that takes and whatever interrupts it: between the two this
 * process may have been frozen, dumped and restored elsewhere. The init keeps the time.
 */
static bool converse(int fd, const struct line_writer *line, struct line *answer)
{
	char text[LINE_BYTES];
	size_t sent = 0, got = 0;
	while (sent < line->length) {
		ssize_t step = send(fd, line->text + sent, line->length - sent, MSG_NOSIGNAL);
		/* One who is refused at the door finds it closed, but the reason is there to be read. */
		if (step < 0 && errno == EPIPE)
			break;
		if (step < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		sent += step > 0 ? (size_t)step : 0;
	}
	while (got < sizeof text) {
		struct pollfd ready = {fd, POLLIN, 0};
		if (poll(&ready, 1, -1) < 0)
			continue;
		ssize_t step = read(fd, text + got, sizeof text - got);
		if (step < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (step <= 0)
			return false;
		got += (size_t)step;
		if (text[got - 1] == '\n')
			return line_decode(answer, text, got - 1);
	}
	return false;
}

/*
 * Asks, and asks again as often as it is told to: where DMTCP dumps this process, its connection is lost in the original
 * and in every copy, and each hears from the init that it finds then what it is.
 */
static bool ask(const char *path, struct line_writer *line, struct line *answer)
{
	for (;;) {
		int fd = reach(path);
		if (fd < 0) {
			fprintf(stderr, "checkpoint: cannot reach the init at %s: %s; this works only inside a container of portlayer\n", path, strerror(errno));
			return false;
		}
		bool answered = converse(fd, line, answer);
		close(fd);
		if (!answered) {
			fputs("checkpoint: the init closed the connection without an answer\n", stderr);
			return false;
		}
		const char *result = line_value(answer, "result");
		if (result == NULL || strcmp(result, "again") != 0)
			return true;
		line_begin(line, "RESULT");
		line_add_number(line, "v", 1);
		line_end(line, LINE_BYTES);
	}
}

int tool_command(int argc, char **argv)
{
	static struct line_writer line;
	static struct line answer;
	bool helped = false;
	const char *problem = compose(argc, argv, &line, &helped);
	if (problem != NULL)
		return usage(problem);
	if (helped) {
		fputs(help, stdout);
		return 0;
	}
	const char *path = getenv("PORTLAYER_SOCKET");
	if (path == NULL || path[0] == '\0')
		path = DEFAULT_SOCKET;
	if (!ask(path, &line, &answer))
		return 1;
	const char *result = line_value(&answer, "result"), *crid = line_value(&answer, "crid");
	const char *reason = line_value(&answer, "reason"), *value = line_value(&answer, "value");
	long long code = DEFAULT_CHECKPOINT_EXIT;
	if (result != NULL && strcmp(result, "id") == 0) {
		puts(crid != NULL ? crid : value != NULL ? value : "");
		return 0;
	}
	if (result != NULL && strcmp(result, "restored") == 0) {
		puts("restored");
		return EXIT_RESTORED;
	}
	if (result != NULL && strcmp(result, "exit") == 0) {
		line_number(&answer, "code", 0, 255, &code);
		return (int)code;
	}
	fprintf(stderr, "checkpoint: %s\n", reason != NULL ? reason : "refused");
	return 1;
}

#ifdef PORTLAYER_TOOL_ALONE
/* Built by itself, dynamically linked: DMTCP can keep only what it can be preloaded into. */
int main(int argc, char **argv)
{
	return tool_command(argc, argv);
}
#endif
