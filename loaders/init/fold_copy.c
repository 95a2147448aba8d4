/* Single files and directories of a layer: linked where possible, else copied, with all that belongs to them. */
#include "fold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NAMES_BYTES 65536 /* the kernel's XATTR_LIST_MAX */
#define VALUE_BYTES 65536 /* the kernel's XATTR_SIZE_MAX */

static const char *const opaque_names[] = {"trusted.overlay.opaque", "user.overlay.opaque"};

bool fold_is_opaque(int directory)
{
	char value[4];
	for (int i = 0; i < 2; i++)
		if (fgetxattr(directory, opaque_names[i], value, sizeof value) == 1 && value[0] == 'y')
			return true;
	return false;
}

bool fold_mark_opaque(int directory)
{
	/* Both, where both may be set: who mounts the folded layer decides which is read. */
	bool trusted = fsetxattr(directory, opaque_names[0], "y", 1, 0) == 0;
	bool user = fsetxattr(directory, opaque_names[1], "y", 1, 0) == 0;
	return trusted || user;
}

bool fold_has_redirect(int fd)
{
	static const char *const names[] = {"trusted.overlay.redirect", "user.overlay.redirect",
					    "trusted.overlay.metacopy", "user.overlay.metacopy"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (fgetxattr(fd, names[i], NULL, 0) >= 0)
			return true;
	return false;
}

static bool must_keep(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || strncmp(name, "trusted.", 8) == 0 || strcmp(name, "security.capability") == 0;
}

static bool is_mark(const char *name)
{
	return strcmp(name, opaque_names[0]) == 0 || strcmp(name, opaque_names[1]) == 0;
}

static bool copy_attributes(int from, int to)
{
	static char names[NAMES_BYTES], value[VALUE_BYTES];
	/* What a lower layer put there, and a higher one took away, must not stay. */
	ssize_t there = flistxattr(to, names, sizeof names);
	for (const char *name = names; name < names + there; name += strlen(name) + 1)
		if (!is_mark(name))
			fremovexattr(to, name);
	ssize_t length = flistxattr(from, names, sizeof names);
	if (length < 0)
		return errno == ENOTSUP;
	for (const char *name = names; name < names + length; name += strlen(name) + 1) {
		if (is_mark(name))
			continue;
		ssize_t size = fgetxattr(from, name, value, sizeof value);
		/* Labels that the host puts on by itself may be refused. */
		if ((size < 0 || fsetxattr(to, name, value, (size_t)size, 0) != 0) && must_keep(name))
			return false;
	}
	return true;
}

bool fold_directory_attributes(int from, int to, const struct stat *found)
{
	struct timespec times[2] = {found->st_atim, found->st_mtim};
	return fchown(to, found->st_uid, found->st_gid) == 0 && fchmod(to, found->st_mode & 07777) == 0 &&
	       copy_attributes(from, to) && futimens(to, times) == 0;
}

static bool copy_bytes(int from, int to)
{
	static char buffer[65536];
	ssize_t got;
	while ((got = copy_file_range(from, NULL, to, NULL, 1 << 30, 0)) > 0)
		;
	if (got == 0)
		return true;
	if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
		return false;
	while ((got = read(from, buffer, sizeof buffer)) > 0)
		for (ssize_t at = 0; at < got;) {
			ssize_t step = write(to, buffer + at, (size_t)(got - at));
			if (step < 0)
				return false;
			at += step;
		}
	return got == 0;
}

static bool copy_file(int from_directory, int to_directory, const char *name, const struct stat *found)
{
	int from = openat(from_directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0)
		return false;
	int to = openat(to_directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool copied = to >= 0 && copy_bytes(from, to) && fold_directory_attributes(from, to, found);
	int kept = errno;
	close(from);
	if (to >= 0 && close(to) != 0 && copied) {
		copied = false;
		kept = errno;
	}
	errno = kept;
	return copied;
}

static bool copy_link(int from, int to, const char *name)
{
	char aim[4096];
	ssize_t length = readlinkat(from, name, aim, sizeof aim - 1);
	if (length < 0)
		return false;
	aim[length] = '\0';
	return symlinkat(aim, to, name) == 0;
}

bool fold_link(int from, int to, const char *name, const struct stat *found)
{
	if (linkat(from, name, to, name, 0) == 0)
		return true;
	if (errno != EXDEV && errno != EPERM && errno != EMLINK)
		return false;
	if (S_ISREG(found->st_mode))
		return copy_file(from, to, name, found);
	if (S_ISLNK(found->st_mode) ? !copy_link(from, to, name)
				    : mknodat(to, name, found->st_mode & (S_IFMT | 07777), found->st_rdev) != 0)
		return false;
	if (!S_ISLNK(found->st_mode) && fchmodat(to, name, found->st_mode & 07777, 0) != 0)
		return false;
	struct timespec times[2] = {found->st_atim, found->st_mtim};
	return fchownat(to, name, found->st_uid, found->st_gid, AT_SYMLINK_NOFOLLOW) == 0 &&
	       utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) == 0;
}
