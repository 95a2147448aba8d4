#ifndef PORTLAYER_FREEZER_H
#define PORTLAYER_FREEZER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Freezes a cgroup so that each task in it can be dumped: none of them waits in the kernel for a child of vfork(2) that
 * has yet to execute something. Such a task reaches no stop while that child is held, so it is let go on for a
 * moment. False after `limit_ms`: the group is thawed then, and `report` has one line for each task that was in the
 * way, "TID vfork" or "TID wait WHERE".
 */
bool freezer_freeze(const char *group, int64_t limit_ms, FILE *report);

#endif
