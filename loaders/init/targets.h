#ifndef PORTLAYER_TARGETS_H
#define PORTLAYER_TARGETS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Where set-up operations act. What lies below the new root was written by the task of an earlier run, so every path
 * into it is resolved as the task would resolve it: links and `..` lead to no place outside. All else is a path of
 * the one who gave the command line, and taken as it is. Each function returns false, or -1, with errno set.
 */

/* From now on, paths below `root` (an absolute path of the host's own) are resolved in it. NULL: there is none. */
void targets_within(const char *root);

/* A place to mount on. */
struct target {
	int fd;          /* holds the place, whatever is renamed meanwhile; -1 where `path` is as it was given */
	char path[4096]; /* for mount(2) and its like */
};

/* A directory, made with its parents where it is missing. */
bool target_directory(struct target *target, const char *path, mode_t mode);
/* The same, or an empty file where `source` is no directory. */
bool target_for(struct target *target, const char *source, const char *path);
/* What is there, a link at its end not followed. */
bool target_present(struct target *target, const char *path);
/* The directory that holds `path`, which must be there, and the name in it: for the *at() calls. The caller closes it. */
int target_parent(const char *path, const char **name);
/* Keeps errno. */
void target_close(struct target *target);

#endif
