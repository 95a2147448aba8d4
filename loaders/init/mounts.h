#ifndef PORTLAYER_MOUNTS_H
#define PORTLAYER_MOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

/* Building the container's tree. Each returns false with errno set. Where a target lies, targets.h says. */

/* mkdir -p. */
bool make_directories(const char *path, mode_t mode);
bool make_link(const char *aim, const char *path);
/* Changes the owner; of a link, not of what it leads to. */
bool give_to(const char *path, uid_t uid, gid_t gid);
/* A new file of this text, or this text instead of a file's: mode 0644, not synced. */
bool write_text(const char *path, const char *text);
bool copy_file(const char *source, const char *target);

/* A directory, or an empty file, at `path`, as `source` is one: to be mounted on. */
bool make_mount_point(const char *source, const char *path);
/* Binds a tree; read-only with everything mounted below it where the kernel can (5.12), else its top. */
bool mount_bind(const char *source, const char *path, bool read_only);
/* A file system of its own, on a directory that is made where it is missing. */
bool mount_new(const char *type, const char *path, unsigned long flags, const char *options);
bool mount_proc(const char *path);
/* dev.c */
bool mount_dev(const char *path);
/* host_root.c */
bool mount_host_root(const char *path);
/* overlay.c: `lowers` separated by colons, top-most first. */
bool mount_overlay(const char *path, const char *lowers, const char *upper, const char *work);
bool pivot_to(const char *root);

#endif
