#ifndef PORTLAYER_MOUNTS_H
#define PORTLAYER_MOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

/* Building the container's tree. Each returns false with errno set. */

/* mkdir -p. */
bool make_directories(const char *path, mode_t mode);
/* Makes `path` a directory, or an empty file where `source` is not one, so that it can be mounted on. */
bool make_mount_point(const char *source, const char *path);
bool copy_file(const char *source, const char *target);

/* Binds a tree; read-only with everything mounted below it where the kernel can (5.12), else its top. */
bool mount_bind(const char *source, const char *target, bool read_only);
bool mount_proc(const char *target);
/* dev.c */
bool mount_dev(const char *target);
/* host_root.c */
bool mount_host_root(const char *target);
/* overlay.c: `lowers` separated by colons, top-most first. */
bool mount_overlay(const char *target, const char *lowers, const char *upper, const char *work);
bool pivot_to(const char *root);

#endif
