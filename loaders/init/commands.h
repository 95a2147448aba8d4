#ifndef PORTLAYER_COMMANDS_H
#define PORTLAYER_COMMANDS_H

/* The sub-commands of the one binary. argv[0] is the sub-command's own name; the result is the exit code. */
int monitor_command(int argc, char **argv);
int init_command(int argc, char **argv);
int tool_command(int argc, char **argv);
int fold_command(int argc, char **argv);
int pack_command(int argc, char **argv);
int stage_command(int argc, char **argv);
int netns_command(int argc, char **argv);
int machine_command(int argc, char **argv);
int machine_init_command(int argc, char **argv);
int machine_clock_command(int argc, char **argv);
int split_command(int argc, char **argv);
int enter_command(int argc, char **argv);
int drain_command(int argc, char **argv);
int digest_command(int argc, char **argv);
int peek_command(int argc, char **argv);
int answer_command(int argc, char **argv);
int guest_command(int argc, char **argv);
int criu_step_command(int argc, char **argv);
int limits_library_command(int argc, char **argv);
int leash_command(int argc, char **argv);
int lease_command(int argc, char **argv);
int tree_command(int argc, char **argv);

#endif
