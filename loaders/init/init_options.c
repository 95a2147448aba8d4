/* The command line of `portlayer-init init`. Set-up operations keep their order, so getopt will not do. */
#include "init.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool number(const char *text, long long low, long long high, long long *value)
{
	char *end;
	errno = 0;
	*value = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *value >= low && *value <= high;
}

/* One option that is no set-up operation. False where it is unknown; `problem` where its value is wrong. */
static bool plain(struct init_options *options, const char *name, const char *value, const char **problem)
{
	long long code;
	if (strcmp(name, "--relay") == 0)
		options->relay = value;
	else if (strcmp(name, "--relay-early") == 0)
		options->relay_early = value;
	else if (strcmp(name, "--socket") == 0)
		options->socket = value;
	else if (strcmp(name, "--cwd") == 0)
		options->cwd = value;
	else if (strcmp(name, "--netns") == 0)
		options->netns = value;
	else if (strcmp(name, "--hostname") == 0)
		options->hostname = value;
	else if (strcmp(name, "--env-prefix") == 0)
		options->env_prefix = value;
	else if (strcmp(name, "--askers") == 0)
		options->askers_file = value;
	else if (strcmp(name, "--companion") == 0)
		options->companion = value;
	else if (strcmp(name, "--restored") == 0)
		options->restored = value;
	else if (strcmp(name, "--need-dynamic") == 0)
		options->needs.program = value;
	else if (strcmp(name, "--need-glibc") == 0)
		options->needs.glibc = value;
	else if (strcmp(name, "--uid") == 0) {
		if (!number(value, 0, 4294967294LL, &options->uid))
			*problem = "--uid takes a number";
	} else if (strcmp(name, "--gid") == 0) {
		if (!number(value, 0, 4294967294LL, &options->gid))
			*problem = "--gid takes a number";
	} else if (strcmp(name, "--checkpoint-exit") == 0) {
		if (!number(value, 0, 255, &code))
			*problem = "--checkpoint-exit takes a number from 0 to 255";
		options->checkpoint_exit = (int)code;
	} else
		return false;
	return true;
}

/* Options without a value. */
static bool flag(struct init_options *options, const char *name)
{
	bool *known = strcmp(name, "--wait-all") == 0 ? &options->wait_all
		    : strcmp(name, "--drop-capabilities") == 0 ? &options->drop_capabilities
		    : strcmp(name, "--loopback-up") == 0 ? &options->loopback_up
		    : strcmp(name, "--quick-loopback") == 0 ? &options->quick_loopback
		    : strcmp(name, "--keeper") == 0 ? &options->keeper
						    : NULL;
	if (known != NULL)
		*known = true;
	return known != NULL;
}

const char *init_options_parse(int argc, char **argv, struct init_options *options)
{
	*options = (struct init_options){.uid = -1, .gid = -1, .checkpoint_exit = DEFAULT_CHECKPOINT_EXIT};
	const char *problem = NULL;
	int at = 1;
	while (at < argc && problem == NULL && strcmp(argv[at], "--") != 0) {
		const char *name = argv[at];
		int takes = setup_arguments(name);
		if (flag(options, name)) {
			at++;
		} else if (strcmp(name, "--library") == 0) {
			if (at + 2 >= argc || options->needs.library_count == LIBRARIES_MAX)
				return "--library takes a name and a directory, at most 8 times";
			options->needs.libraries[options->needs.library_count].name = argv[at + 1];
			options->needs.libraries[options->needs.library_count++].directory = argv[at + 2];
			at += 3;
		} else if (takes >= 0) {
			if (options->operation_count == OPERATIONS_MAX)
				return "more than 1024 set-up operations";
			if (at + takes >= argc)
				return "a set-up option lacks its paths";
			options->operations[options->operation_count++] = (struct operation){name, argv + at + 1};
			at += 1 + takes;
		} else {
			if (at + 1 >= argc || !plain(options, name, argv[at + 1], &problem))
				return "unknown option, or an option without its value";
			at += 2;
		}
	}
	if (problem == NULL && at + 1 >= argc)
		problem = "no command given after --";
	options->argv = argv + at + 1;
	return problem;
}
