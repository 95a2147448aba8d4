/*
 * `portlayer-init tree digest|content|sync|remove PATH`: what the service does itself with a tree on its own host, for a host
 * that has nothing of ours but this binary. The digests are byte for byte those of tree-digest.ts
 * and content-digest.ts.
 */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "commands.h"
#include "protocol.h"

_Noreturn void tree_fail(const char *where)
{
	/* The number travels: the service makes Node's error of it. */
	fprintf(stderr, "errno %d %s: %s\n", errno, where, strerror(errno));
	exit(1);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory in the order of their bytes, and how many; the caller frees. */
char **tree_names(int directory, const char *where, size_t *count)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	if (stream == NULL)
		tree_fail(where);
	char **names = NULL;
	size_t room = 0;
	*count = 0;
	for (struct dirent *entry; errno = 0, (entry = readdir(stream)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (*count == room) {
			room = room == 0 ? 16 : room * 2;
			names = realloc(names, room * sizeof *names);
		}
		if (names == NULL || (names[(*count)++] = strdup(entry->d_name)) == NULL) {
			errno = ENOMEM;
			tree_fail(where);
		}
	}
	if (errno != 0)
		tree_fail(where);
	closedir(stream);
	if (names != NULL)
		qsort(names, *count, sizeof *names, by_name);
	return names;
}

void tree_free(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

static void sync_below(int directory, const char *where)
{
	size_t count;
	char **names = tree_names(directory, where, &count);
	for (size_t i = 0; i < count; i++) {
		struct stat found;
		if (fstatat(directory, names[i], &found, AT_SYMLINK_NOFOLLOW) != 0)
			tree_fail(names[i]);
		if (!S_ISDIR(found.st_mode) && !S_ISREG(found.st_mode))
			continue;
		int fd = openat(directory, names[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			tree_fail(names[i]);
		if (S_ISDIR(found.st_mode))
			sync_below(fd, names[i]);
		else if (fsync(fd) != 0)
			tree_fail(names[i]);
		close(fd);
	}
	tree_free(names, count);
	if (fsync(directory) != 0)
		tree_fail(where);
}

static void sync_tree(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		tree_fail(path);
	sync_below(fd, path);
	char *copy = strdup(path);
	int parent = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0 || fsync(parent) != 0)
		tree_fail(path);
}

static void remove_at(int directory, const char *name, dev_t device)
{
	struct stat found;
	if (fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT)
			return;
		tree_fail(name);
	}
	if (!S_ISDIR(found.st_mode)) {
		if (unlinkat(directory, name, 0) != 0 && errno == EACCES && fchmod(directory, 0700) == 0)
			unlinkat(directory, name, 0);
		if (fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) == 0) {
			unlinkat(directory, name, 0);
			tree_fail(name);
		}
		return;
	}
	if (device != 0 && found.st_dev != device) {
		errno = EBUSY;
		tree_fail(name);
	}
	int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && fchmodat(directory, name, 0700, 0) == 0)
		fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ENOENT)
			return;
		tree_fail(name);
	}
	size_t count;
	char **names = tree_names(fd, name, &count);
	for (size_t i = 0; i < count; i++)
		remove_at(fd, names[i], found.st_dev);
	tree_free(names, count);
	close(fd);
	if (unlinkat(directory, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
		tree_fail(name);
}

int tree_command(int argc, char **argv)
{
	if (argc != 3 || argv[2][0] != '/')
		return EXIT_USAGE;
	/* One descriptor for each directory on the way down. */
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (strcmp(argv[1], "digest") == 0)
		tree_digest(argv[2]);
	else if (strcmp(argv[1], "content") == 0)
		tree_content(argv[2]);
	else if (strcmp(argv[1], "sync") == 0)
		sync_tree(argv[2]);
	else if (strcmp(argv[1], "remove") == 0)
		remove_at(AT_FDCWD, argv[2], 0);
	else
		return EXIT_USAGE;
	return 0;
}
