/*
 * `portlayer-init pack DIRECTORY FILE`: writes a frozen layer as one tar archive that is the same, byte for byte, for the
 * same layer: names sorted by their bytes, owners by number, nothing of the clock but the files' own times. Each
 * file's content begins at a multiple of 4096, so that unchanged content lies in unchanged pages wherever it moves to.
 * pax headers carry times, extended attributes and the filling; GNU headers long names, as bytes. Holes stay holes.
 * A process of its own; it may allocate.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "pack.h"
#include "protocol.h"

#define DEPTH_MAX 300 /* as for fold: directories in directories */

struct link {
	dev_t device;
	ino_t inode;
	char *path;
};

static struct link *links;
static size_t link_count, link_room;

static bool put_content(int file, uint64_t size, const char *path)
{
	static char buffer[256 * 1024];
	uint64_t at = 0;
	while (at < size) {
		off_t data = lseek(file, (off_t)at, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			data = (off_t)at;
		uint64_t from = data < 0 || (uint64_t)data > size ? size : (uint64_t)data;
		if (!pack_skip(from - at))
			return false;
		at = from;
		off_t hole = at < size ? lseek(file, (off_t)at, SEEK_HOLE) : -1;
		uint64_t to = hole < 0 || (uint64_t)hole > size ? size : (uint64_t)hole;
		while (at < to) {
			size_t some = to - at < sizeof buffer ? (size_t)(to - at) : sizeof buffer;
			ssize_t got = pread(file, buffer, some, (off_t)at);
			if (got <= 0)
				return pack_fail("cannot read", path);
			if (!pack_put(buffer, (size_t)got))
				return false;
			at += (uint64_t)got;
		}
	}
	return pack_skip(pack_padded(size) - size);
}

/* The path under which this file was packed already; NULL for the first of its names, which is noted. */
static const char *known_link(const struct stat *of, const char *path)
{
	if (of->st_nlink < 2)
		return NULL;
	for (size_t i = 0; i < link_count; i++)
		if (links[i].device == of->st_dev && links[i].inode == of->st_ino)
			return links[i].path;
	if (link_count == link_room) {
		link_room = link_room * 2 + 64;
		links = pack_must(realloc(links, link_room * sizeof *links));
	}
	links[link_count++] = (struct link){of->st_dev, of->st_ino, pack_must(strdup(path))};
	return NULL;
}

static bool pack_file(int at, const char *name, const char *path, const struct stat *of, const char *through)
{
	const char *first = known_link(of, path);
	if (first != NULL)
		return pack_entry(path, '1', 0, of, first, through);
	int file = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file < 0)
		return pack_fail("cannot open", path);
	bool good = pack_entry(path, '0', (uint64_t)of->st_size, of, NULL, through) &&
		    put_content(file, (uint64_t)of->st_size, path);
	close(file);
	return good;
}

static bool pack_below(int directory, const char *path, int depth);

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool pack_name(int at, const char *name, const char *path, int depth)
{
	struct stat of;
	if (fstatat(at, name, &of, AT_SYMLINK_NOFOLLOW) < 0)
		return pack_fail("cannot look at", path);
	char through[400];
	snprintf(through, sizeof through, "/proc/self/fd/%d/%s", at, name);
	char target[PATH_MAX + 1];
	switch (of.st_mode & S_IFMT) {
	case S_IFREG:
		return pack_file(at, name, path, &of, through);
	case S_IFLNK: {
		ssize_t length = readlinkat(at, name, target, PATH_MAX);
		if (length < 0)
			return pack_fail("cannot read", path);
		target[length] = '\0';
		return pack_entry(path, '2', 0, &of, target, through);
	}
	case S_IFCHR:
	case S_IFBLK:
		return pack_entry(path, S_ISCHR(of.st_mode) ? '3' : '4', 0, &of, NULL, through);
	case S_IFIFO:
		return pack_entry(path, '6', 0, &of, NULL, through);
	case S_IFDIR: {
		if (depth > DEPTH_MAX) {
			errno = ELOOP;
			return pack_fail("too deep:", path);
		}
		char *with = pack_must(malloc(strlen(path) + 2));
		sprintf(with, "%s/", path);
		int below = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		/* Its owner may have taken the right to enter it away. */
		if (below < 0 && errno == EACCES && fchmodat(at, name, 0700, 0) == 0) {
			below = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			fchmodat(at, name, of.st_mode & 07777, 0);
		}
		bool good = below >= 0 ? pack_entry(with, '5', 0, &of, NULL, through) && pack_below(below, path, depth + 1)
				       : pack_fail("cannot open", path);
		if (below >= 0)
			close(below);
		free(with);
		return good;
	}
	default:
		return true; /* A socket: tar has no form for it, and nobody could connect to it again. */
	}
}

static bool pack_below(int directory, const char *path, int depth)
{
	int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = again >= 0 ? fdopendir(again) : NULL;
	if (stream == NULL)
		return pack_fail("cannot list", path);
	char **names = NULL;
	size_t count = 0, room = 0;
	for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (count == room) {
			room = room * 2 + 16;
			names = pack_must(realloc(names, room * sizeof *names));
		}
		names[count++] = pack_must(strdup(entry->d_name));
	}
	closedir(stream);
	if (count > 0)
		qsort(names, count, sizeof *names, by_bytes);
	bool good = true;
	for (size_t i = 0; i < count; i++) {
		char *below = pack_must(malloc(strlen(path) + strlen(names[i]) + 2));
		sprintf(below, "%s/%s", path, names[i]);
		good = good && pack_name(directory, names[i], below, depth);
		free(below);
		free(names[i]);
	}
	free(names);
	return good;
}

int pack_command(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: portlayer-init pack DIRECTORY FILE\n", stderr);
		return EXIT_USAGE;
	}
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	int top = open(argv[1], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat of;
	if (top < 0 || fstat(top, &of) < 0)
		return pack_fail("cannot open", argv[1]), 1;
	if (!pack_begin(argv[2]))
		return 1;
	char through[64];
	snprintf(through, sizeof through, "/proc/self/fd/%d/.", top);
	bool good = pack_entry("./", '5', 0, &of, NULL, through) && pack_below(top, ".", 0) && pack_end(argv[2]);
	return good ? 0 : 1;
}
