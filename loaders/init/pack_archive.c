/* The archive that `pack` writes: tar's own headers, GNU's for long names, pax's for times, attributes and filling. */
#include "pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "protocol.h"

#define BLOCK 512
#define PAGE 4096

struct text {
	char *bytes;
	size_t length, room;
};

static int out = -1;
static uint64_t written;

void *pack_must(void *memory)
{
	if (memory == NULL) {
		fputs("pack: no memory\n", stderr);
		exit(EXIT_USAGE + 1);
	}
	return memory;
}

bool pack_fail(const char *what, const char *path)
{
	fprintf(stderr, "pack: %s %s: %s\n", what, path, strerror(errno));
	return false;
}

static void append(struct text *text, const void *bytes, size_t length)
{
	if (text->length + length > text->room) {
		text->room = (text->length + length) * 2 + 64;
		text->bytes = pack_must(realloc(text->bytes, text->room));
	}
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
}

bool pack_put(const void *bytes, size_t length)
{
	const char *at = bytes;
	while (length > 0) {
		ssize_t done = write(out, at, length);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return pack_fail("cannot write", "the archive");
		at += done;
		length -= (size_t)done;
		written += (size_t)done;
	}
	return true;
}

/* Nothing is written: the file is made longer at the end. */
bool pack_skip(uint64_t length)
{
	written += length;
	return length == 0 || lseek(out, (off_t)length, SEEK_CUR) >= 0 || pack_fail("cannot seek in", "the archive");
}

uint64_t pack_padded(uint64_t length)
{
	return (length + BLOCK - 1) / BLOCK * BLOCK;
}

static void octal(char *field, size_t width, uint64_t value)
{
	if (value < (uint64_t)1 << (3 * (width - 1))) {
		snprintf(field, width, "%0*llo", (int)width - 1, (unsigned long long)value);
		return;
	}
	/* GNU: the value itself, big-endian, with the highest bit set. */
	for (size_t i = width; i-- > 0; value >>= 8)
		field[i] = (char)(value & 0xff);
	field[0] = (char)(field[0] | 0x80);
}

static bool put_header(const char *name, char type, uint64_t size, const struct stat *of, const char *target)
{
	char header[BLOCK] = {0};
	memcpy(header, name, strnlen(name, 100));
	octal(header + 100, 8, of != NULL ? of->st_mode & 07777 : 0);
	octal(header + 108, 8, of != NULL ? of->st_uid : 0);
	octal(header + 116, 8, of != NULL ? of->st_gid : 0);
	octal(header + 124, 12, size);
	octal(header + 136, 12, of != NULL && of->st_mtim.tv_sec > 0 ? (uint64_t)of->st_mtim.tv_sec : 0);
	header[156] = type;
	if (target != NULL)
		memcpy(header + 157, target, strnlen(target, 100));
	memcpy(header + 257, "ustar\00000", 8);
	if (type == '3' || type == '4') {
		octal(header + 329, 8, major(of->st_rdev));
		octal(header + 337, 8, minor(of->st_rdev));
	}
	memset(header + 148, ' ', 8);
	unsigned sum = 0;
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
	header[155] = ' ';
	return pack_put(header, BLOCK);
}

static bool put_data(const void *bytes, size_t length)
{
	static const char zeros[BLOCK];
	return pack_put(bytes, length) && pack_put(zeros, pack_padded(length) - length);
}

static void record(struct text *pax, const char *key, const void *value, size_t length)
{
	/* The length counts its own digits. */
	size_t rest = strlen(key) + length + 3, total = rest + 1;
	char digits[24];
	while ((size_t)snprintf(digits, sizeof digits, "%zu", total) + rest != total)
		total = (size_t)snprintf(digits, sizeof digits, "%zu", total) + rest;
	append(pax, digits, strlen(digits));
	append(pax, " ", 1);
	append(pax, key, strlen(key));
	append(pax, "=", 1);
	append(pax, value, length);
	append(pax, "\n", 1);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Extended attributes of what has no descriptor of its own are read through /proc, without following a link. */
static bool add_attributes(struct text *pax, const char *through, const char *path)
{
	ssize_t size = llistxattr(through, NULL, 0);
	if (size <= 0)
		return size == 0 || errno == ENOTSUP || errno == EPERM || pack_fail("cannot read attributes of", path);
	char *names = pack_must(malloc((size_t)size));
	size = llistxattr(through, names, (size_t)size);
	char **sorted = pack_must(calloc((size_t)(size > 0 ? size : 0) + 1, sizeof *sorted));
	size_t count = 0;
	for (char *name = names; size > 0 && name < names + size; name += strlen(name) + 1)
		sorted[count++] = name;
	qsort(sorted, count, sizeof *sorted, by_bytes);
	bool good = size >= 0;
	for (size_t i = 0; good && i < count; i++) {
		ssize_t length = lgetxattr(through, sorted[i], NULL, 0);
		char *value = pack_must(malloc((size_t)(length > 0 ? length : 0) + 1));
		length = lgetxattr(through, sorted[i], value, (size_t)(length > 0 ? length : 0));
		char key[300];
		snprintf(key, sizeof key, "SCHILY.xattr.%s", sorted[i]);
		good = length >= 0;
		if (good)
			record(pax, key, value, (size_t)length);
		free(value);
	}
	free(sorted);
	free(names);
	return good || pack_fail("cannot read attributes of", path);
}

/* A filling so long that what follows the entry's header begins at a page. */
static void fill_to_page(struct text *pax, uint64_t after)
{
	for (size_t filling = 0;; filling += filling == 0 ? 1 : BLOCK / 2) {
		struct text probe = {0};
		append(&probe, pax->bytes != NULL ? pax->bytes : "", pax->length);
		char *spaces = pack_must(malloc(filling + 1));
		memset(spaces, ' ', filling);
		if (filling > 0)
			record(&probe, "comment", spaces, filling);
		free(spaces);
		uint64_t at = written + (probe.length > 0 ? BLOCK + pack_padded(probe.length) : 0) + after;
		if (at % PAGE == 0) {
			free(pax->bytes);
			*pax = probe;
			return;
		}
		free(probe.bytes);
	}
}

static bool put_long(char type, const char *text)
{
	return strlen(text) <= 100 || (put_header("././@LongLink", type, strlen(text) + 1, NULL, NULL) &&
				       put_data(text, strlen(text) + 1));
}

static uint64_t long_size(const char *text)
{
	return strlen(text) <= 100 ? 0 : BLOCK + pack_padded(strlen(text) + 1);
}

bool pack_entry(const char *path, char type, uint64_t size, const struct stat *of, const char *target,
		      const char *through)
{
	struct text pax = {0};
	char time[48];
	snprintf(time, sizeof time, "%lld.%09ld", (long long)of->st_mtim.tv_sec, of->st_mtim.tv_nsec);
	record(&pax, "mtime", time, strlen(time));
	if (type != '1' && !add_attributes(&pax, through, path))
		return false;
	if (type == '0' && size > 0)
		fill_to_page(&pax, BLOCK + long_size(path));
	bool good = put_header("./PaxHeaders/x", 'x', pax.length, NULL, NULL) && put_data(pax.bytes, pax.length) &&
		    (target == NULL || put_long('K', target)) && put_long('L', path) &&
		    put_header(path, type, size, of, target);
	free(pax.bytes);
	return good;
}

bool pack_begin(const char *path)
{
	out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return out >= 0 || pack_fail("cannot make", path);
}

bool pack_end(const char *path)
{
	/* Two empty blocks. What was skipped at the end makes no file longer by itself. */
	return pack_skip(2 * BLOCK) && ((ftruncate(out, (off_t)written) == 0 && close(out) == 0) || pack_fail("cannot end", path));
}
