/* The command line of `portlayer-init monitor`. */
#include "monitor.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#define FULL_LOG_BYTES (10 << 20)
#define FULL_LOG_FILES 5

static bool parse_number(const char *text, long long low, long long high, long long *number)
{
	char *end;
	errno = 0;
	*number = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *number >= low && *number <= high;
}

const char *monitor_options_parse(int argc, char **argv, struct monitor_options *options)
{
	static const struct option known[] = {
		{"dir", required_argument, NULL, 'd'},
		{"log-max-bytes", required_argument, NULL, 'b'},
		{"log-files", required_argument, NULL, 'f'},
		{"cgroup", required_argument, NULL, 'c'},
		{"pid-file", required_argument, NULL, 'p'},
		{"memory-group", required_argument, NULL, 'm'},
		{"log-copy", required_argument, NULL, 'l'},
		{NULL, 0, NULL, 0},
	};
	long long number;
	int chosen;
	*options = (struct monitor_options){.log_max_bytes = FULL_LOG_BYTES, .log_files = FULL_LOG_FILES};
	opterr = 0;
	while ((chosen = getopt_long(argc, argv, "+", known, NULL)) != -1) {
		switch (chosen) {
		case 'd':
			options->directory = optarg;
			break;
		case 'b':
			if (!parse_number(optarg, 1024, 1LL << 50, &options->log_max_bytes))
				return "--log-max-bytes takes a number from 1024 on";
			break;
		case 'f':
			if (!parse_number(optarg, 1, 1000, &number))
				return "--log-files takes a number from 1 to 1000";
			options->log_files = (int)number;
			break;
		case 'c':
			if (options->cgroup_count == CGROUPS_MAX)
				return "too many --cgroup";
			options->cgroups[options->cgroup_count++] = optarg;
			break;
		case 'p':
			options->pid_file = optarg;
			break;
		case 'l':
			options->log_copy = optarg;
			break;
		case 'm':
			options->memory_group = optarg;
			break;
		default:
			return "unknown option, or an option without its value";
		}
	}
	if (options->directory == NULL)
		return "--dir is required";
	if (optind >= argc)
		return "no command given";
	return NULL;
}
