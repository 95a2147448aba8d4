/* The plain mounts, and what is made beside them. */
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "kernel.h"
#include "targets.h"

bool make_directories(const char *path, mode_t mode)
{
	struct target target;
	bool made = target_directory(&target, path, mode);
	target_close(&target);
	return made;
}

bool make_link(const char *aim, const char *path)
{
	const char *name;
	int parent = target_parent(path, &name);
	bool made = parent >= 0 && symlinkat(aim, parent, name) == 0;
	int kept = errno;
	if (parent >= 0)
		close(parent);
	errno = kept;
	return made;
}

bool give_to(const char *path, uid_t uid, gid_t gid)
{
	const char *name;
	int parent = target_parent(path, &name);
	bool given = parent >= 0 && fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW) == 0;
	int kept = errno;
	if (parent >= 0)
		close(parent);
	errno = kept;
	return given;
}

/* A new file, or a plain one that is there: never a device or a pipe that a task put in its place. */
static int open_to_write(const char *path, mode_t mode)
{
	const char *name;
	int parent = target_parent(path, &name);
	if (parent < 0)
		return -1;
	int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0 && errno == EEXIST) {
		char alias[40];
		struct stat found;
		int there = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		snprintf(alias, sizeof alias, "/proc/self/fd/%d", there);
		if (there >= 0 && fstat(there, &found) == 0) {
			errno = S_ISLNK(found.st_mode) ? ELOOP : EEXIST;
			if (S_ISREG(found.st_mode))
				fd = open(alias, O_WRONLY | O_TRUNC | O_CLOEXEC);
		}
		int kept = errno;
		if (there >= 0)
			close(there);
		errno = kept;
	}
	int kept = errno;
	close(parent);
	errno = kept;
	return fd;
}

bool write_text(const char *path, const char *text)
{
	size_t length = strlen(text);
	int fd = open_to_write(path, 0644);
	bool written = fd >= 0 && write(fd, text, length) == (ssize_t)length;
	if (fd >= 0 && close(fd) != 0)
		return false;
	return written;
}

bool copy_file(const char *source, const char *target)
{
	char buffer[16384];
	struct stat found;
	int from = open(source, O_RDONLY | O_CLOEXEC), to = -1;
	bool copied = from >= 0 && fstat(from, &found) == 0;
	if (copied)
		to = open_to_write(target, found.st_mode & 07777);
	copied = to >= 0;
	for (ssize_t got = 1; copied && got != 0;) {
		got = read(from, buffer, sizeof buffer);
		copied = got >= 0;
		for (ssize_t at = 0; copied && at < got;) {
			ssize_t step = write(to, buffer + at, (size_t)(got - at));
			copied = step >= 0;
			at += step;
		}
	}
	/* The umask must not have its say. */
	copied = copied && fchmod(to, found.st_mode & 07777) == 0;
	int kept = errno;
	if (from >= 0)
		close(from);
	if (to >= 0 && close(to) != 0 && copied)
		return false;
	errno = kept;
	return copied;
}

bool mount_new(const char *type, const char *path, unsigned long flags, const char *options)
{
	struct target target;
	bool mounted = target_directory(&target, path, 0755) && mount(type, target.path, type, flags, options) == 0;
	target_close(&target);
	return mounted;
}

/* The flags of a mount that a user namespace may not take away, as a remount must repeat them. */
static unsigned long locked_flags(const char *path)
{
	struct statvfs found;
	unsigned long flags = 0;
	if (statvfs(path, &found) != 0)
		return 0;
	if (found.f_flag & ST_NOSUID)
		flags |= MS_NOSUID;
	if (found.f_flag & ST_NODEV)
		flags |= MS_NODEV;
	if (found.f_flag & ST_NOEXEC)
		flags |= MS_NOEXEC;
	if (found.f_flag & ST_NOATIME)
		flags |= MS_NOATIME;
	if (found.f_flag & ST_NODIRATIME)
		flags |= MS_NODIRATIME;
	if (found.f_flag & ST_RELATIME)
		flags |= MS_RELATIME;
	return flags;
}

/* By descriptors: read-only, with everything mounted below it, before it can be seen anywhere. Linux 5.12. */
static bool bind_read_only(const char *source, const struct target *target)
{
	struct kernel_mount_attr attributes = {.attr_set = KERNEL_MOUNT_ATTR_RDONLY};
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, source,
				KERNEL_OPEN_TREE_CLONE | KERNEL_OPEN_TREE_CLOEXEC | KERNEL_AT_RECURSIVE);
	if (tree < 0)
		return false;
	bool bound = syscall(SYS_mount_setattr, tree, "", KERNEL_AT_RECURSIVE | KERNEL_AT_EMPTY_PATH, &attributes,
			     sizeof attributes) == 0 &&
		     syscall(SYS_move_mount, tree, "", AT_FDCWD, target->path, KERNEL_MOVE_MOUNT_F_EMPTY_PATH | KERNEL_MOVE_MOUNT_T_SYMLINKS) == 0;
	close(tree);
	return bound;
}

bool mount_bind(const char *source, const char *path, bool read_only)
{
	struct target target, mounted = {.fd = -1};
	bool bound = target_for(&target, source, path);
	if (bound && !(read_only && bind_read_only(source, &target))) {
		bound = mount(source, target.path, NULL, MS_BIND | MS_REC, NULL) == 0;
		/* Looked up anew to get at what is mounted there now; EINVAL where that is something else. */
		if (bound && read_only)
			bound = target_present(&mounted, path) &&
				mount(NULL, mounted.path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | locked_flags(mounted.path), NULL) == 0;
		target_close(&mounted);
	}
	target_close(&target);
	return bound;
}

bool make_mount_point(const char *source, const char *path)
{
	struct target target;
	bool made = target_for(&target, source, path);
	target_close(&target);
	return made;
}

bool mount_proc(const char *path)
{
	if (mount_new("proc", path, MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return true;
	/* Without a pid namespace of our own the host's is the right one; with one, it would number processes wrongly. */
	return errno == EPERM && getpid() != 1 && mount_bind("/proc", path, false);
}

bool pivot_to(const char *root)
{
	if (chdir(root) != 0)
		return false;
	if (syscall(SYS_pivot_root, ".", ".") != 0) {
		/* It is no mount of its own yet: EBUSY where it lies on the root's own, EINVAL where on another. */
		if ((errno != EINVAL && errno != EBUSY) || mount(root, root, NULL, MS_BIND | MS_REC, NULL) != 0 || chdir(root) != 0 ||
		    syscall(SYS_pivot_root, ".", ".") != 0)
			return false;
	}
	/* The old root is now stacked on the new one, at `.`: see pivot_root(2), NOTES. */
	return umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}
