/* The digest of a tree; what is digested, and in which form, is said in tree-digest.ts. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sha256.h"
#include "tree.h"

#define CHUNK (256 * 1024)

static struct {
	struct sha256 sum;
	unsigned long long bytes, entries;
	unsigned char chunk[CHUNK];
} walk;

static void add_text(const char *text)
{
	sha256_add(&walk.sum, text, strlen(text));
}

static void add_json(const char *text)
{
	tree_add_json(&walk.sum, text);
}

static void add_head(int depth, const char *name, const char *kind, const struct stat *found)
{
	char text[128];
	snprintf(text, sizeof text, "[%d,", depth);
	add_text(text);
	add_json(name);
	snprintf(text, sizeof text, ",\"%s\",%u,%u,%u,", kind, found->st_mode & 07777, found->st_uid, found->st_gid);
	add_text(text);
	walk.entries++;
}

static void add_number(unsigned long long value)
{
	char text[32];
	snprintf(text, sizeof text, "%llu]\n", value);
	add_text(text);
}

static void add_contents(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		tree_fail(name);
	for (;;) {
		ssize_t got = read(fd, walk.chunk, CHUNK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			tree_fail(name);
		if (got == 0)
			break;
		sha256_add(&walk.sum, walk.chunk, (size_t)got);
	}
	close(fd);
}

static void add_directory(int directory, const char *where, int depth)
{
	size_t count;
	char **names = tree_names(directory, where, &count);
	for (size_t i = 0; i < count; i++) {
		const char *name = names[i];
		struct stat found;
		if (fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) != 0)
			tree_fail(name);
		if (S_ISDIR(found.st_mode)) {
			add_head(depth, name, "directory", &found);
			add_text("\"\"]\n");
			int below = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (below < 0)
				tree_fail(name);
			add_directory(below, name, depth + 1);
			close(below);
		} else if (S_ISLNK(found.st_mode)) {
			char target[4097];
			ssize_t length = readlinkat(directory, name, target, sizeof target - 1);
			if (length < 0)
				tree_fail(name);
			target[length] = '\0';
			add_head(depth, name, "symlink", &found);
			add_json(target);
			add_text("]\n");
		} else if (S_ISREG(found.st_mode)) {
			add_head(depth, name, "file", &found);
			add_number((unsigned long long)found.st_size);
			walk.bytes += (unsigned long long)found.st_size;
			add_contents(directory, name);
		} else {
			add_head(depth, name,
				 S_ISCHR(found.st_mode)    ? "character-device"
				 : S_ISBLK(found.st_mode)  ? "block-device"
				 : S_ISFIFO(found.st_mode) ? "fifo"
							   : "socket",
				 &found);
			add_number(found.st_rdev);
		}
	}
	tree_free(names, count);
}

void tree_digest(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		tree_fail(path);
	sha256_begin(&walk.sum);
	add_directory(fd, path, 0);
	unsigned char digest[32];
	sha256_end(&walk.sum, digest);
	printf("sha256:");
	for (int i = 0; i < 32; i++)
		printf("%02x", digest[i]);
	printf(" %llu %llu\n", walk.bytes, walk.entries);
}
