/*
 * `portlayer-init split`: takes QEMU's migration stream on its standard input and splits it while it comes: the pages of
 * the guest's memory into a raw, sparse file that copies can map, everything else into a stream without those pages,
 * which QEMU takes as it is. The form of the stream is QEMU's migration/ram.c and savevm.c, 7.2 to 10.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "commands.h"
#include "protocol.h"

#define PAGE 4096
#define IN_BYTES (1 << 21)
#define RUN_PAGES 256
enum { SECTION_START = 1, SECTION_PART, SECTION_END, SECTION_FULL, CONFIGURATION = 7, FOOTER = 0x7e };
enum { ZERO = 2, MEM_SIZE = 4, DATA = 8, EOS = 16, CONTINUE = 32, MULTIFD_FLUSH = 512 };

static struct {
	int in, ram, rest;
	unsigned char *buffer;
	size_t at, end;
	/* Neighbouring pages are written at once, out of the buffer: copied once less than they would be into one of their own. */
	struct iovec run[RUN_PAGES];
	uint64_t run_offset;
	size_t run_pages;
	/* A bit for each page that was written: a machine that runs while it is read may send one again, as zeroes. */
	unsigned char *written;
	unsigned long long pages, zeroes, ram_bytes;
	char current[256], named[256];
	bool running;
} split;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "portlayer-init split: %s%s%s\n", what, errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
	_exit(errno == ENOSPC || errno == EDQUOT ? 28 : 1);
}

static void flush_run(void)
{
	struct iovec *next = split.run;
	for (size_t left = split.run_pages * PAGE; left > 0;) {
		ssize_t sent = pwritev(split.ram, next, (int)(split.run + split.run_pages - next), (off_t)split.run_offset);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			fail("cannot write the memory");
		left -= (size_t)sent;
		split.run_offset += (uint64_t)sent;
		for (; sent > 0 && (size_t)sent >= next->iov_len; next++)
			sent -= (ssize_t)next->iov_len;
		if (sent > 0) {
			next->iov_base = (char *)next->iov_base + sent;
			next->iov_len -= (size_t)sent;
		}
	}
	split.run_pages = 0;
}

/* More bytes; false at the end of the stream. */
static bool fill(void)
{
	/* What is to be written lies in the buffer. */
	flush_run();
	if (split.at > 0) {
		memmove(split.buffer, split.buffer + split.at, split.end - split.at);
		split.end -= split.at;
		split.at = 0;
	}
	if (split.end == IN_BYTES)
		return false;
	ssize_t got;
	do
		got = read(split.in, split.buffer + split.end, IN_BYTES - split.end);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		fail("cannot read the stream");
	split.end += (size_t)got;
	return got > 0;
}

static const unsigned char *need(size_t bytes)
{
	while (split.end - split.at < bytes) {
		errno = 0;
		if (!fill())
			fail("the stream ended too early");
	}
	const unsigned char *found = split.buffer + split.at;
	split.at += bytes;
	return found;
}

static uint32_t be32(const unsigned char *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint64_t be64(const unsigned char *b)
{
	return (uint64_t)be32(b) << 32 | be32(b + 4);
}

static void keep(const void *bytes, size_t length)
{
	const char *from = bytes;
	while (length > 0) {
		ssize_t sent = write(split.rest, from, length);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			fail("cannot write the device state");
		from += sent;
		length -= (size_t)sent;
	}
}

static void keep64(uint64_t value)
{
	unsigned char bytes[8];
	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(value >> (56 - 8 * i));
	keep(bytes, 8);
}

static void require_inside(uint64_t offset)
{
	errno = 0;
	if (split.ram_bytes < PAGE || offset > split.ram_bytes - PAGE)
		fail("a page lies outside the memory");
}

static void ram_page(uint64_t offset, const unsigned char *page)
{
	require_inside(offset);
	if (split.run_pages == RUN_PAGES || (split.run_pages > 0 && offset != split.run_offset + split.run_pages * PAGE))
		flush_run();
	if (split.run_pages == 0)
		split.run_offset = offset;
	split.run[split.run_pages++] = (struct iovec){(void *)page, PAGE};
	split.written[offset / PAGE / 8] |= (unsigned char)(1U << offset / PAGE % 8);
	split.pages++;
}

static void zero_page(uint64_t offset)
{
	split.zeroes++;
	require_inside(offset);
	if ((split.written[offset / PAGE / 8] & 1U << offset / PAGE % 8) == 0)
		return;
	flush_run();
	if (fallocate(split.ram, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, PAGE) == 0)
		return;
	static const char zeroes[PAGE];
	if (pwrite(split.ram, zeroes, PAGE, (off_t)offset) != PAGE)
		fail("cannot write the memory");
}

static bool is_ram(const char *block)
{
	size_t length = strlen(block);
	return strcmp(block, "ram") == 0 || (length > 4 && strcmp(block + length - 4, "/ram") == 0);
}

static void blocks(uint64_t header, uint64_t total)
{
	keep64(header);
	while (total > 0) {
		const unsigned char *b = need(1);
		size_t length = *b;
		keep(b, 1);
		b = need(length + 8);
		keep(b, length + 8);
		uint64_t bytes = be64(b + length);
		char name[256];
		memcpy(name, b, length);
		name[length] = '\0';
		if (is_ram(name)) {
			split.ram_bytes = bytes;
			if (ftruncate(split.ram, (off_t)bytes) != 0 || (split.written = calloc(bytes / PAGE / 8 + 1, 1)) == NULL)
				fail("cannot make the memory file");
		}
		if (bytes > total)
			fail("the blocks are larger than their sum");
		total -= bytes;
	}
}

/* A page of a block other than the memory goes on in the stream; the first after dropped ones names its block again. */
static void keep_page(uint64_t offset, uint64_t flags, const unsigned char *body, size_t length)
{
	bool same = strcmp(split.named, split.current) == 0;
	keep64(offset | (flags & ~(uint64_t)CONTINUE) | (same ? CONTINUE : 0));
	if (!same) {
		unsigned char size = (unsigned char)strlen(split.current);
		keep(&size, 1);
		keep(split.current, size);
		strcpy(split.named, split.current);
	}
	keep(body, length);
}

static void ram_section(void)
{
	split.named[0] = '\0';
	for (;;) {
		uint64_t header = be64(need(8)), flags = header & (PAGE - 1), offset = header & ~(uint64_t)(PAGE - 1);
		if (flags & MEM_SIZE) {
			blocks(header, offset);
			continue;
		}
		if (flags & EOS) {
			keep64(header);
			return;
		}
		if (flags & MULTIFD_FLUSH) {
			keep64(header);
			continue;
		}
		if ((flags & (ZERO | DATA)) == 0 || (flags & ~(uint64_t)(ZERO | DATA | CONTINUE)) != 0) {
			errno = 0;
			fail("a kind of page that is not known");
		}
		if (!(flags & CONTINUE)) {
			size_t length = *need(1);
			memcpy(split.current, need(length), length);
			split.current[length] = '\0';
		}
		size_t length = flags & ZERO ? 1 : PAGE;
		const unsigned char *body = need(length);
		if (!is_ram(split.current))
			keep_page(offset, flags, body, length);
		else if (flags & DATA)
			ram_page(offset, body);
		else if (*body == 0)
			zero_page(offset);
		else
			fail("a page filled with something else than zeroes");
	}
}

/* The rest is device state, small. A source that was stopped says so in it; its copies are to run all the same. */
static void device_state(void)
{
	static const char mark[] = "\x0bglobalstate";
	size_t size = 0, room = IN_BYTES;
	unsigned char *state = malloc(room);
	for (;;) {
		while (split.end - split.at > room - size)
			if ((state = realloc(state, room *= 2)) == NULL)
				fail("no memory");
		memcpy(state + size, split.buffer + split.at, split.end - split.at);
		size += split.end - split.at;
		split.at = split.end = 0;
		errno = 0;
		if (!fill())
			break;
	}
	unsigned char *found = split.running ? memmem(state, size, mark, sizeof mark - 1) : NULL;
	/* instance 4, version 4, then the length of the text and 100 bytes of it. */
	size_t after = sizeof mark - 1 + 8;
	if (found != NULL && (size_t)(found - state) + after + 104 <= size) {
		memset(found + after, 0, 104);
		found[after + 3] = 7;
		memcpy(found + after + 4, "running", 7);
	}
	keep(state, size);
}

static void sections(void)
{
	const unsigned char *b = need(8);
	if (memcmp(b, "QEVM", 4) != 0)
		fail("not a migration stream");
	keep(b, 8);
	for (bool begun = false;;) {
		unsigned char type = *need(1);
		if (type == CONFIGURATION && !begun) {
			keep(&type, 1);
			b = need(4);
			size_t length = be32(b);
			keep(b, 4);
			if (length > 4096)
				fail("a configuration that is too long");
			b = need(length);
			keep(b, length);
			continue;
		}
		if (type != SECTION_START && type != SECTION_PART && type != SECTION_END) {
			split.at--;
			return;
		}
		keep(&type, 1);
		b = need(4);
		keep(b, 4);
		if (type == SECTION_START) {
			b = need(1);
			size_t length = *b;
			keep(b, 1);
			b = need(length + 8);
			if (length != 3 || memcmp(b, "ram", 3) != 0) {
				errno = 0;
				fail("a live section other than the memory's");
			}
			keep(b, length + 8);
		}
		begun = true;
		ram_section();
		b = need(1);
		if (*b == FOOTER) {
			keep(b, 1);
			keep(need(4), 4);
		} else {
			split.at--;
		}
		if (type == SECTION_END)
			return;
	}
}

int split_command(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: portlayer-init split RAM-FILE STATE-FILE [running] <STREAM\n", stderr);
		return EXIT_USAGE;
	}
	split.running = argc > 3 && strcmp(argv[3], "running") == 0;
	split.in = STDIN_FILENO;
	split.buffer = malloc(IN_BYTES);
	split.ram = open(argv[1], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	split.rest = open(argv[2], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (split.buffer == NULL || split.ram < 0 || split.rest < 0)
		fail("cannot make the files");
	sections();
	flush_run();
	device_state();
	if (split.ram_bytes == 0)
		fail("the stream has no memory");
	printf("ram=%llu pages=%llu zeroes=%llu\n", split.ram_bytes, split.pages, split.zeroes);
	return 0;
}
