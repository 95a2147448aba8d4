/* One static binary: the modified init, its monitor outside, the guest's `checkpoint` tool, and the folder of layers. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "init.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"init", init_command},
	{"monitor", monitor_command},
	{"checkpoint", tool_command},
	{"fold", fold_command},
	{"pack", pack_command},
	{"stage", stage_command},
	{"netns", netns_command},
	{"machine", machine_command},
	{"machine-init", machine_init_command},
	{"machine-clock", machine_clock_command},
	{"split", split_command},
	{"enter", enter_command},
	{"drain", drain_command},
	{"digest", digest_command},
	{"peek", peek_command},
	{"answer", answer_command},
	{"guest", guest_command},
	{"criu-step", criu_step_command},
	{"limits-library", limits_library_command},
	{"leash", leash_command},
	{"lease", lease_command},
	{"tree", tree_command},
};

/* A starter may have closed 0, 1 or 2; a socket opened there would be taken for standard output. */
static void fill_standard_files(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	fill_standard_files();
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = slash != NULL ? slash + 1 : argc > 0 ? argv[0] : "";
	if (strcmp(name, "checkpoint") == 0)
		return tool_command(argc, argv);
	if (strcmp(name, "criu-step") == 0)
		return criu_step_command(argc, argv);
	for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(argv[1], commands[i].name) == 0) {
			/* Those that run, or start, what a container brings. */
			if (commands[i].run == init_command || commands[i].run == enter_command)
				self_protect(argv);
			return commands[i].run(argc - 1, argv + 1);
		}
	}
	if (argc == 2 && strcmp(argv[1], "version") == 0) {
		puts(VERSION_TEXT);
		return 0;
	}
	fputs("usage: portlayer-init monitor|init|checkpoint|fold|pack|stage|netns|enter|drain|digest|peek|answer|guest|leash|lease|tree|version ...\n", stderr);
	return EXIT_USAGE;
}
