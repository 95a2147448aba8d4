#ifndef PORTLAYER_PROCESS_TREE_H
#define PORTLAYER_PROCESS_TREE_H

#include <sys/types.h>

/* Called for each process found; `state` as in proc(5). */
typedef void process_visitor(pid_t pid, char state, void *context);

/* Visits every descendant of `root` (not `root` itself) that /proc shows, parents before children. */
void process_tree_visit(pid_t root, process_visitor *visitor, void *context);

/* Sends SIGKILL to every descendant of `root`; how many were alive. Repeat until 0: they may fork meanwhile. */
int process_tree_kill(pid_t root);

/* Descendants of `root` that are neither stopped nor dead. */
int process_tree_running(pid_t root);

#endif
