/*
 * `portlayer-init digest [--known STAMP]... FILE...`: of each file one line: sum, bytes, stamp (see stamp.h), path. Every
 * core takes part. In place of the sum stands `known` where the file has one of the stamps: it is not read.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chunk_hash.h"
#include "commands.h"
#include "protocol.h"
#include "stamp.h"

#define WORKERS_MAX 8
#define PIECE_BYTES (256u << 10) /* stays in the second cache between the read and the sum */

/* Shared by the processes that sum one file: which chunk is next, and the sums so far. */
struct work {
	atomic_size_t next;
	atomic_bool failed;
	size_t count;
	uint64_t sums[];
};

static bool sum_chunk(int fd, size_t chunk, unsigned char *piece, uint64_t *sum)
{
	struct xxh64 state;
	xxh64_begin(&state);
	off_t at = (off_t)chunk * CHUNK_BYTES, end = at + CHUNK_BYTES;
	while (at < end) {
		ssize_t got = pread(fd, piece, PIECE_BYTES, at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return false;
		if (got == 0)
			break;
		xxh64_add(&state, piece, (size_t)got);
		at += got;
	}
	*sum = xxh64_end(&state);
	return true;
}

static void take_part(int fd, struct work *work)
{
	static unsigned char piece[PIECE_BYTES];
	size_t chunk;
	while (!work->failed && (chunk = work->next++) < work->count)
		if (!sum_chunk(fd, chunk, piece, &work->sums[chunk]))
			work->failed = true;
}

static bool is_known(const char *stamp, char **known, int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(stamp, known[2 * i + 1]) == 0)
			return true;
	return false;
}

/* `known`: option and value in turn. */
static bool sum_file(const char *path, char **known, int known_count)
{
	char stamp[STAMP_BYTES];
	struct stat about;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
		return false;
	stamp_write(stamp, &about);
	if (is_known(stamp, known, known_count)) {
		printf("known %lld %s %s\n", (long long)about.st_size, stamp, path);
		close(fd);
		return true;
	}
	size_t count = ((size_t)about.st_size + CHUNK_BYTES - 1) / CHUNK_BYTES;
	size_t size = sizeof(struct work) + count * sizeof(uint64_t);
	struct work *work = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (work == MAP_FAILED)
		return false;
	work->count = count;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t helpers = cores > 1 && count > 1 ? (size_t)cores - 1 : 0;
	for (size_t i = 0; i < helpers && i < WORKERS_MAX && i + 1 < count; i++) {
		if (fork() == 0) {
			take_part(fd, work);
			_exit(0);
		}
	}
	take_part(fd, work);
	int status;
	while (wait(&status) > 0)
		if (status != 0)
			work->failed = true;
	bool summed = !work->failed;
	struct xxh64 whole;
	xxh64_begin(&whole);
	xxh64_add(&whole, work->sums, count * sizeof(uint64_t));
	if (summed)
		printf("%016" PRIx64 " %lld %s %s\n", xxh64_end(&whole), (long long)about.st_size, stamp, path);
	munmap(work, size);
	close(fd);
	return summed;
}

int digest_command(int argc, char **argv)
{
	int at = 1, code = 0;
	while (at + 1 < argc && strcmp(argv[at], "--known") == 0)
		at += 2;
	if (at >= argc) {
		fputs("usage: portlayer-init digest [--known STAMP]... FILE...\n", stderr);
		return EXIT_USAGE;
	}
	int known = (at - 1) / 2;
	for (; at < argc; at++) {
		if (sum_file(argv[at], argv + 1, known))
			continue;
		fprintf(stderr, "portlayer-init digest: %s: %s\n", argv[at], strerror(errno));
		code = 1;
	}
	return code;
}
