/* The plain mounts, and the mount points for them. */
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

bool make_directories(const char *path, mode_t mode)
{
	char part[4096];
	size_t length = strlen(path);
	if (length == 0 || length >= sizeof part) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(part, path, length + 1);
	for (size_t i = 1; i <= length; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		char kept = part[i];
		part[i] = '\0';
		/* EROFS and EACCES too may come for what is there already. */
		struct stat found;
		if (mkdir(part, mode) != 0 && errno != EEXIST && stat(part, &found) != 0)
			return false;
		part[i] = kept;
	}
	struct stat found;
	if (stat(path, &found) != 0)
		return false;
	errno = ENOTDIR;
	return S_ISDIR(found.st_mode);
}

bool make_mount_point(const char *source, const char *path)
{
	struct stat found, there;
	if (stat(source, &found) != 0)
		return false;
	if (S_ISDIR(found.st_mode))
		return make_directories(path, 0755);
	if (lstat(path, &there) == 0)
		return true;
	char parent[4096];
	const char *slash = strrchr(path, '/');
	if (slash != NULL && slash != path) {
		snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
		if (!make_directories(parent, 0755))
			return false;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool copy_file(const char *source, const char *target)
{
	char buffer[16384];
	struct stat found;
	int from = open(source, O_RDONLY | O_CLOEXEC), to = -1;
	bool copied = from >= 0 && fstat(from, &found) == 0;
	if (copied)
		to = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, found.st_mode & 07777);
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

bool mount_bind(const char *source, const char *target, bool read_only)
{
	if (!make_mount_point(source, target) || mount(source, target, NULL, MS_BIND | MS_REC, NULL) != 0)
		return false;
	if (!read_only)
		return true;
	struct kernel_mount_attr attributes = {.attr_set = KERNEL_MOUNT_ATTR_RDONLY};
	if (syscall(SYS_mount_setattr, AT_FDCWD, target, KERNEL_AT_RECURSIVE, &attributes, sizeof attributes) == 0)
		return true;
	return mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | locked_flags(target), NULL) == 0;
}

bool mount_proc(const char *target)
{
	if (!make_directories(target, 0755))
		return false;
	if (mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0)
		return true;
	/* Without a pid namespace of our own the host's is the right one; with one, it would number processes wrongly. */
	return errno == EPERM && getpid() != 1 && mount_bind("/proc", target, false);
}

bool pivot_to(const char *root)
{
	if (chdir(root) != 0)
		return false;
	if (syscall(SYS_pivot_root, ".", ".") != 0) {
		/* It is no mount of its own yet. */
		if (errno != EINVAL || mount(root, root, NULL, MS_BIND | MS_REC, NULL) != 0 || chdir(root) != 0 ||
		    syscall(SYS_pivot_root, ".", ".") != 0)
			return false;
	}
	/* The old root is now stacked on the new one, at `.`: see pivot_root(2), NOTES. */
	return umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}
