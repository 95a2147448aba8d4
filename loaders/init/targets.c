/* Paths below the container's new root, resolved so that no link in it leads out of it. */
#include "targets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"

#define AGAIN_MAX 64 /* how often a resolution is repeated that a rename beside it disturbed */

static const char *the_root;
static size_t the_root_length;

void targets_within(const char *root)
{
	the_root = root;
	the_root_length = root != NULL ? strlen(root) : 0;
	while (the_root_length > 0 && root[the_root_length - 1] == '/')
		the_root_length--;
	if (the_root_length == 0)
		the_root = NULL;
}

/* What of `path` lies below the root: "" for the root itself. NULL where it lies elsewhere. */
static const char *below(const char *path)
{
	if (the_root == NULL || strncmp(path, the_root, the_root_length) != 0)
		return NULL;
	const char *rest = path + the_root_length;
	if (*rest != '/' && *rest != '\0')
		return NULL;
	return rest + strspn(rest, "/");
}

static void close_keeping_errno(int fd)
{
	int kept = errno;
	if (fd >= 0)
		close(fd);
	errno = kept;
}

/* Anew each time: what was mounted on the root since is the root from then on. */
static int open_root(void)
{
	char root[4096];
	if (the_root_length >= sizeof root) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(root, the_root, the_root_length);
	root[the_root_length] = '\0';
	return open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* For kernels before 5.6: step by step, and no link is followed at all. */
static int walk(int root, const char *path, int flags)
{
	int at = fcntl(root, F_DUPFD_CLOEXEC, 0);
	while (at >= 0 && *path != '\0') {
		char name[256];
		size_t length = strcspn(path, "/");
		const char *rest = path + length + strspn(path + length, "/");
		struct stat found;
		int next = -1;
		if (length < sizeof name) {
			memcpy(name, path, length);
			name[length] = '\0';
			next = strcmp(name, "..") == 0 ? -1 : openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
			if (strcmp(name, "..") == 0)
				errno = ELOOP;
		} else
			errno = ENAMETOOLONG;
		bool may_be_link = *rest == '\0' && (flags & O_NOFOLLOW) != 0;
		if (next >= 0 && fstat(next, &found) == 0 && S_ISLNK(found.st_mode) && !may_be_link) {
			errno = ELOOP;
			close_keeping_errno(next);
			next = -1;
		}
		close_keeping_errno(at);
		at = next;
		path = rest;
	}
	return at;
}

/* Opens `path` of the root; `flags` may hold O_NOFOLLOW, for its last name only. */
static int open_in(int root, const char *path, int flags)
{
	if (*path == '\0')
		path = ".";
#ifndef PORTLAYER_NO_OPENAT2
	struct kernel_open_how how = {.flags = (uint64_t)(O_PATH | O_CLOEXEC | flags),
				      .resolve = KERNEL_RESOLVE_IN_ROOT | KERNEL_RESOLVE_NO_MAGICLINKS};
	for (int i = 0; i < AGAIN_MAX; i++) {
		int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR && errno != ENOSYS && errno != EPERM))
			return fd;
		/* EPERM is what an old seccomp profile says to a call it does not know. */
		if (errno == ENOSYS || errno == EPERM)
			return walk(root, path, flags);
	}
	return -1;
#else
	return walk(root, path, flags);
#endif
}

/* Opens the directory `path` of the root, made with its parents where they are missing. */
static int open_directory(int root, const char *path, mode_t mode)
{
	char part[4096];
	size_t length = strlen(path);
	if (length >= sizeof part) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = open_in(root, path, 0);
	if (fd < 0 && errno != ENOENT)
		return -1;
	int parent = fd < 0 ? open_in(root, "", 0) : -1;
	for (size_t at = 0; fd < 0 && parent >= 0;) {
		size_t end = at + strcspn(path + at, "/"), next = end + strspn(path + end, "/");
		memcpy(part, path, end);
		part[end] = '\0';
		int here = open_in(root, part, 0);
		if (here < 0 && errno == ENOENT) {
			if (mkdirat(parent, part + at, mode) == 0)
				here = open_in(root, part, 0);
			else if (errno == EEXIST)
				errno = ELOOP; /* there, and not to be found: a link that leads to nothing */
		}
		close_keeping_errno(parent);
		parent = here;
		at = next;
		if (path[at] == '\0') {
			fd = here;
			break;
		}
	}
	struct stat found;
	if (fd >= 0 && fstat(fd, &found) == 0 && !S_ISDIR(found.st_mode)) {
		close(fd);
		errno = ENOTDIR;
		return -1;
	}
	return fd;
}

/* mkdir -p of a path that is the caller's own. */
static bool make_directories(const char *path, mode_t mode)
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

/* Splits before the last name; the length of what is before it, with the slash. */
static size_t split(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	*name = slash != NULL ? slash + 1 : path;
	return (size_t)(*name - path);
}

static bool name_valid(const char *name)
{
	errno = EINVAL;
	return *name != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool plain(struct target *target, const char *path)
{
	target->fd = -1;
	errno = ENAMETOOLONG;
	return (size_t)snprintf(target->path, sizeof target->path, "%s", path) < sizeof target->path;
}

/* Through the descriptor, so that nothing is looked up a second time. */
static bool held(struct target *target, int fd)
{
	target->fd = fd;
	snprintf(target->path, sizeof target->path, "/proc/self/fd/%d", fd);
	return fd >= 0;
}

bool target_directory(struct target *target, const char *path, mode_t mode)
{
	const char *rest = below(path);
	if (rest == NULL || *rest == '\0')
		return plain(target, path) && make_directories(path, mode);
	int root = open_root(), fd = root >= 0 ? open_directory(root, rest, mode) : -1;
	close_keeping_errno(root);
	return held(target, fd);
}

/* Opens `path` of the root, or makes an empty file of it. */
static int open_file(int root, const char *path)
{
	char parent[4096];
	const char *name;
	size_t length = split(path, &name);
	int fd = open_in(root, path, 0);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (!name_valid(name) || length >= sizeof parent)
		return -1;
	memcpy(parent, path, length);
	parent[length] = '\0';
	int directory = open_directory(root, parent, 0755);
	if (directory < 0)
		return -1;
	fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 && errno == EEXIST)
		errno = ELOOP;
	close_keeping_errno(directory);
	return fd;
}

static bool plain_file(struct target *target, const char *path)
{
	struct stat there;
	char parent[4096];
	const char *name;
	size_t length = split(path, &name);
	if (!plain(target, path))
		return false;
	if (lstat(path, &there) == 0)
		return true;
	if (length > 1) {
		memcpy(parent, path, length - 1);
		parent[length - 1] = '\0';
		if (!make_directories(parent, 0755))
			return false;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool target_for(struct target *target, const char *source, const char *path)
{
	const char *rest = below(path);
	struct stat found;
	target->fd = -1;
	if (stat(source, &found) != 0)
		return false;
	if (S_ISDIR(found.st_mode))
		return target_directory(target, path, 0755);
	if (rest == NULL || *rest == '\0')
		return plain_file(target, path);
	int root = open_root(), fd = root >= 0 ? open_file(root, rest) : -1;
	close_keeping_errno(root);
	return held(target, fd);
}

bool target_present(struct target *target, const char *path)
{
	const char *rest = below(path);
	if (rest == NULL || *rest == '\0')
		return plain(target, path);
	int root = open_root(), fd = root >= 0 ? open_in(root, rest, O_NOFOLLOW) : -1;
	close_keeping_errno(root);
	return held(target, fd);
}

int target_parent(const char *path, const char **name)
{
	char parent[4096];
	const char *rest = below(path);
	bool inside = rest != NULL && *rest != '\0';
	size_t length = split(inside ? rest : path, name);
	if (!name_valid(*name) || length >= sizeof parent)
		return -1;
	memcpy(parent, inside ? rest : path, length);
	parent[length] = '\0';
	if (!inside)
		return open(length > 0 ? parent : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int root = open_root(), fd = root >= 0 ? open_in(root, parent, O_DIRECTORY) : -1;
	close_keeping_errno(root);
	return fd;
}

void target_close(struct target *target)
{
	close_keeping_errno(target->fd);
	target->fd = -1;
}
