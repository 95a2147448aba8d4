/*
 * Overlay mounts of many layers with long paths. mount(2) takes one page of options, and fsconfig(2) 255 bytes for
 * one value; /proc/self/fd/N is short for any path, so it stands in wherever a path does not fit.
 */
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "kernel.h"
#include "targets.h"

#define LOWERS_MAX 128
#define VALUE_MAX 255
#define ALIAS_BYTES 40

struct directory {
	int fd; /* O_PATH; open until the mount is made */
	char path[4096];
	char alias[ALIAS_BYTES];
};

struct layers {
	size_t lower_count;
	struct directory lowers[LOWERS_MAX], upper, work;
};

/* Too large for a stack; used once. */
static struct layers layers;

static bool open_directory(struct directory *directory, const char *path, size_t length)
{
	if (length == 0 || length >= sizeof directory->path) {
		errno = length == 0 ? EINVAL : ENAMETOOLONG;
		return false;
	}
	memcpy(directory->path, path, length);
	directory->path[length] = '\0';
	directory->fd = open(directory->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(directory->alias, sizeof directory->alias, "/proc/self/fd/%d", directory->fd);
	return directory->fd >= 0;
}

static bool open_all(const char *lowers, const char *upper, const char *work)
{
	layers.lower_count = 0;
	for (const char *at = lowers;;) {
		size_t length = strcspn(at, ":");
		if (layers.lower_count == LOWERS_MAX) {
			errno = E2BIG;
			return false;
		}
		if (!open_directory(&layers.lowers[layers.lower_count], at, length))
			return false;
		layers.lower_count++;
		if (at[length] == '\0')
			break;
		at += length + 1;
	}
	return open_directory(&layers.upper, upper, strlen(upper)) && open_directory(&layers.work, work, strlen(work));
}

static void close_all(void)
{
	int kept = errno;
	for (size_t i = 0; i < layers.lower_count; i++)
		close(layers.lowers[i].fd);
	if (layers.upper.fd > 0)
		close(layers.upper.fd);
	if (layers.work.fd > 0)
		close(layers.work.fd);
	errno = kept;
}

/* Where trusted.* attributes are not ours to set, overlayfs keeps its marks in user.* ones. */
static bool in_user_namespace(void)
{
	char text[64] = "";
	unsigned inside = 0, outside = 0, count = 0;
	int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t got = read(fd, text, sizeof text - 1);
	close(fd);
	return got > 0 && !(sscanf(text, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 && outside == 0 &&
			    count == 4294967295U);
}

static bool set(int context, const char *key, const struct directory *directory)
{
	const char *value = strlen(directory->path) <= VALUE_MAX ? directory->path : directory->alias;
	return syscall(SYS_fsconfig, context, KERNEL_FSCONFIG_SET_STRING, key, value, 0) == 0;
}

/* By the mount API of Linux 6.8, which takes the lower layers one by one and shows them by their paths. */
static bool mount_piecewise(const char *target, bool user)
{
	int context = (int)syscall(SYS_fsopen, "overlay", 1 /* FSOPEN_CLOEXEC */);
	if (context < 0)
		return false;
	bool good = true;
	for (size_t i = 0; good && i < layers.lower_count; i++)
		good = set(context, "lowerdir+", &layers.lowers[i]);
	good = good && set(context, "upperdir", &layers.upper) && set(context, "workdir", &layers.work);
	if (good && user)
		good = syscall(SYS_fsconfig, context, KERNEL_FSCONFIG_SET_FLAG, "userxattr", NULL, 0) == 0;
	good = good && syscall(SYS_fsconfig, context, KERNEL_FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0;
	int mounted = good ? (int)syscall(SYS_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, 0) : -1;
	good = mounted >= 0 && syscall(SYS_move_mount, mounted, "", AT_FDCWD, target,
				       KERNEL_MOVE_MOUNT_F_EMPTY_PATH | KERNEL_MOVE_MOUNT_T_SYMLINKS) == 0;
	int kept = errno;
	if (mounted >= 0)
		close(mounted);
	close(context);
	errno = kept;
	return good;
}

static bool mount_at_once(const char *target, bool user)
{
	static char options[4096];
	size_t used = (size_t)snprintf(options, sizeof options, "lowerdir=");
	for (size_t i = 0; i < layers.lower_count; i++)
		used += (size_t)snprintf(options + used, sizeof options - used, "%s%s", i > 0 ? ":" : "", layers.lowers[i].alias);
	snprintf(options + used, sizeof options - used, ",upperdir=%s,workdir=%s%s", layers.upper.alias, layers.work.alias,
		 user ? ",userxattr" : "");
	return mount("overlay", target, "overlay", 0, options) == 0;
}

bool mount_overlay(const char *path, const char *lowers, const char *upper, const char *work)
{
	bool user = in_user_namespace();
	struct target target;
	bool good = target_directory(&target, path, 0755) && open_all(lowers, upper, work);
	good = good && (mount_piecewise(target.path, user) || mount_at_once(target.path, user));
	close_all();
	target_close(&target);
	return good;
}
