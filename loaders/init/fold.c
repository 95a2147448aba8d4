/*
 * `portlayer-init fold`: merges overlay layers, oldest first, into one new layer. Layers never change, so files are
 * shared by hard links and the work is that of the names. A process of its own; it may allocate.
 */
#include "fold.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "commands.h"
#include "protocol.h"

#define DEPTH_MAX 300 /* directories in directories; three descriptors are open for each */

static char place[256];

bool fold_fail(const char *name)
{
	if (place[0] == '\0')
		snprintf(place, sizeof place, "%s", name);
	return false;
}

const char *fold_place(void)
{
	return place;
}

void fold_forget_place(void)
{
	place[0] = '\0';
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool is_whiteout(const struct stat *found)
{
	return S_ISCHR(found->st_mode) && found->st_rdev == makedev(0, 0);
}

static int open_directory(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Reads a directory without taking the caller's descriptor. */
static DIR *list(int directory)
{
	int fd = open_directory(directory, ".");
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	if (stream == NULL && fd >= 0)
		close(fd);
	return stream;
}

static bool empty(int directory)
{
	DIR *stream = list(directory);
	if (stream == NULL)
		return false;
	bool emptied = true;
	for (struct dirent *entry; emptied && (entry = readdir(stream)) != NULL;)
		emptied = is_dot(entry->d_name) || fold_remove(directory, entry->d_name);
	int kept = errno;
	closedir(stream);
	errno = kept;
	return emptied;
}

bool fold_remove(int directory, const char *name)
{
	if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
		return true;
	if (errno != EISDIR && errno != EPERM)
		return fold_fail(name);
	int below = open_directory(directory, name);
	if (below < 0)
		return fold_fail(name);
	bool emptied = empty(below);
	close(below);
	return emptied && (unlinkat(directory, name, AT_REMOVEDIR) == 0 || fold_fail(name));
}

static bool merge(int from, int to, bool base, int depth);

/* A directory of the layer onto what the layers below it made there. */
static bool merge_directory(int from, int to, const char *name, const struct stat *found, bool base, int depth)
{
	struct stat there;
	bool hides = false;
	int source = open_directory(from, name), target = -1;
	if (source < 0)
		return fold_fail(name);
	bool good = true;
	/* A whiteout or a file that stood here, like the mark, hides whatever lies below the folded range. */
	if (fold_is_opaque(source) || (fstatat(to, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(there.st_mode))) {
		hides = true;
		good = fold_remove(to, name);
	}
	good = good && (mkdirat(to, name, 0700) == 0 || errno == EEXIST) && (target = open_directory(to, name)) >= 0;
	if (good && fold_has_redirect(source)) {
		errno = ENOTSUP;
		good = false;
	}
	if (good && hides && !base)
		good = fold_mark_opaque(target);
	good = good && merge(source, target, base, depth + 1);
	/* Last of all, as its times are to be the layer's. */
	good = good && fold_directory_attributes(source, target, found);
	int kept = errno;
	close(source);
	if (target >= 0)
		close(target);
	errno = kept;
	return good || fold_fail(name);
}

static bool merge_entry(int from, int to, const char *name, bool base, int depth)
{
	struct stat found;
	if (fstatat(from, name, &found, AT_SYMLINK_NOFOLLOW) != 0)
		return fold_fail(name);
	if (S_ISDIR(found.st_mode))
		return merge_directory(from, to, name, &found, base, depth);
	if (!fold_remove(to, name))
		return false;
	/* Nothing lies below the lowest layer, so there is nothing left to hide. */
	if (base && is_whiteout(&found))
		return true;
	return fold_link(from, to, name, &found) || fold_fail(name);
}

static bool merge(int from, int to, bool base, int depth)
{
	if (depth > DEPTH_MAX) {
		errno = ELOOP;
		return false;
	}
	DIR *stream = list(from);
	if (stream == NULL)
		return false;
	bool merged = true;
	for (struct dirent *entry; merged && (entry = readdir(stream)) != NULL;)
		merged = is_dot(entry->d_name) || merge_entry(from, to, entry->d_name, base, depth);
	int kept = errno;
	closedir(stream);
	errno = kept;
	return merged;
}

static bool merge_layer(const char *layer, int target, bool base)
{
	struct stat found;
	int source = open(layer, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (source < 0)
		return fold_fail(layer);
	bool merged = fstat(source, &found) == 0 && merge(source, target, base, 0) && fold_directory_attributes(source, target, &found);
	int kept = errno;
	close(source);
	errno = kept;
	return merged || fold_fail(layer);
}

int fold_command(int argc, char **argv)
{
	bool base = argc > 1 && strcmp(argv[1], "--base") == 0;
	int first = base ? 2 : 1;
	if (argc - first < 2 || argv[first][0] == '-') {
		fputs("usage: portlayer-init fold [--base] DST LAYER...   (oldest first)\n", stderr);
		return EXIT_USAGE;
	}
	const char *target = argv[first];
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	umask(0);
	if (mkdir(target, 0700) != 0) {
		fprintf(stderr, "portlayer-init fold: cannot make %s: %s\n", target, strerror(errno));
		return 1;
	}
	int fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool folded = fd >= 0;
	const char *layer = target;
	for (int i = first + 1; folded && i < argc; i++) {
		layer = argv[i];
		folded = merge_layer(layer, fd, base);
	}
	if (folded)
		return 0;
	fprintf(stderr, "portlayer-init fold: layer %s, at %s: %s\n", layer, fold_place(), strerror(errno));
	if (fd >= 0)
		close(fd);
	fold_forget_place();
	if (!fold_remove(AT_FDCWD, target))
		fprintf(stderr, "portlayer-init fold: cannot remove %s: %s\n", target, strerror(errno));
	return 1;
}
