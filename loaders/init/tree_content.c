/* The digest of a file or a tree that may change; what is digested, and in which form, is said in content-digest.ts. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sha256.h"
#include "tree.h"

#define CHUNK (256 * 1024)

static void add_text(struct sha256 *sum, const char *text)
{
	sha256_add(sum, text, strlen(text));
}

/* A byte string as JSON.stringify writes it when its bytes stand as Latin-1, in UTF-8. */
void tree_add_json(struct sha256 *sum, const char *text)
{
	add_text(sum, "\"");
	for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
		char out[8];
		static const char shorts[] = "btn\0fr";
		if (*at == '"' || *at == '\\')
			snprintf(out, sizeof out, "\\%c", *at);
		else if (*at >= 8 && *at <= 13 && *at != 11)
			snprintf(out, sizeof out, "\\%c", shorts[*at - 8]);
		else if (*at < 32)
			snprintf(out, sizeof out, "\\u%04x", *at);
		else if (*at < 128)
			snprintf(out, sizeof out, "%c", *at);
		else
			snprintf(out, sizeof out, "%c%c", 0xc0 | *at >> 6, 0x80 | (*at & 0x3f));
		add_text(sum, out);
	}
	add_text(sum, "\"");
}

static void end_hex(struct sha256 *sum, char hex[65])
{
	unsigned char digest[32];
	sha256_end(sum, digest);
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static void digest_file(int directory, const char *name, char hex[65])
{
	static unsigned char chunk[CHUNK];
	struct sha256 sum;
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		tree_fail(name);
	sha256_begin(&sum);
	for (ssize_t got; (got = read(fd, chunk, CHUNK)) != 0;) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			tree_fail(name);
		sha256_add(&sum, chunk, (size_t)got);
	}
	close(fd);
	end_hex(&sum, hex);
}

/* Adds the line of one entry, which is called `shown`. */
static void add_line(struct sha256 *into, int directory, const char *name, const char *shown)
{
	struct stat found;
	char text[4200], hex[65];
	if (fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) != 0)
		tree_fail(name);
	const char *kind = S_ISDIR(found.st_mode)   ? "directory"
			   : S_ISREG(found.st_mode) ? "file"
			   : S_ISLNK(found.st_mode) ? "symlink"
						    : "other";
	add_text(into, "[");
	tree_add_json(into, shown);
	snprintf(text, sizeof text, ",\"%s\",%u,%u,%u,", kind, found.st_mode & 07777, found.st_uid, found.st_gid);
	add_text(into, text);
	if (S_ISREG(found.st_mode)) {
		digest_file(directory, name, hex);
		tree_add_json(into, hex);
	} else if (S_ISLNK(found.st_mode)) {
		ssize_t length = readlinkat(directory, name, text, 4096);
		if (length < 0)
			tree_fail(name);
		text[length] = '\0';
		tree_add_json(into, text);
	} else if (S_ISDIR(found.st_mode)) {
		struct sha256 sum;
		size_t count;
		int below = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below < 0)
			tree_fail(name);
		char **names = tree_names(below, name, &count);
		sha256_begin(&sum);
		for (size_t i = 0; i < count; i++)
			add_line(&sum, below, names[i], names[i]);
		tree_free(names, count);
		close(below);
		end_hex(&sum, hex);
		tree_add_json(into, hex);
	} else {
		snprintf(text, sizeof text, "%u %llu", found.st_mode >> 12, (unsigned long long)found.st_rdev);
		tree_add_json(into, text);
	}
	add_text(into, "]\n");
}

void tree_content(const char *path)
{
	struct sha256 sum;
	char hex[65], *real = realpath(path, NULL);
	if (real == NULL)
		tree_fail(path);
	sha256_begin(&sum);
	add_line(&sum, AT_FDCWD, real, "");
	end_hex(&sum, hex);
	printf("sha256:%s\n", hex);
	free(real);
}
