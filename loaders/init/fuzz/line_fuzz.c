/*
 * Hostile bytes against line_decode(), and what it takes against the encoder: what was understood once must be
 * understood the same when it is said again.
 *   clang -fsanitize=fuzzer,address,undefined -DLIBFUZZER fuzz/line_fuzz.c line.c
 *   cc -fsanitize=address,undefined fuzz/line_fuzz.c line.c -o line_fuzz; ./line_fuzz --seed 1 --seconds 5 | FILE...
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../line.h"

static void check(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "line_fuzz: %s\n", what);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct line first, second;
	static struct line_writer writer;
	/* A copy of exactly this size, so that a read beyond it is seen. */
	char *bytes = malloc(size > 0 ? size : 1);
	memcpy(bytes, data, size);
	bool decoded = line_decode(&first, bytes, size);
	free(bytes);
	if (!decoded)
		return 0;

	check(size < LINE_BYTES && first.count <= LINE_FIELDS, "took more than fits");
	long long number;
	line_begin(&writer, first.word);
	for (size_t i = 0; i < first.count; i++) {
		check(line_value(&first, first.fields[i].key) == first.fields[i].value, "lost a value");
		if (line_number(&first, first.fields[i].key, -5, 1000, &number))
			check(number >= -5 && number <= 1000, "number out of its range");
		line_mechanism_valid(first.fields[i].value);
		line_add(&writer, first.fields[i].key, first.fields[i].value);
	}
	/* A value that came unencoded where it need not be can only become shorter, never longer. */
	check(line_end(&writer, LINE_BYTES), "said again, it is too long");
	check(line_decode(&second, writer.text, writer.length - 1), "said again, it is not understood");
	check(strcmp(first.word, second.word) == 0 && first.count == second.count, "said again, it is another");
	for (size_t i = 0; i < first.count; i++)
		check(strcmp(first.fields[i].value, second.fields[i].value) == 0, "said again, a value is another");
	return 0;
}

#ifndef LIBFUZZER
static uint64_t state;

static uint32_t draw(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % below;
}

/* Mostly of the form, then spoilt here and there: pure noise would never get past the first byte. */
static size_t make(uint8_t *bytes, size_t room)
{
	static const char *const pieces[] = {"TRIGGER", " v=1", " inc=0123456789abcdef", " seq=-9", " mech=any", " label.a=%41%7f",
					     " x=%00", " y=%zz", " a=%", "=", " ", "%", "\n", "  ", " k=99999999999999999999", " timeout-ms=5"};
	size_t length = 0;
	for (uint32_t left = draw(draw(4) == 0 ? 90 : 14); left > 0; left--) {
		const char *piece = pieces[draw(sizeof pieces / sizeof pieces[0])];
		size_t size = strlen(piece);
		if (length + size + 8 > room)
			break;
		memcpy(bytes + length, piece, size);
		length += size;
		if (draw(3) == 0) {
			length += (size_t)snprintf((char *)bytes + length, 8, " k%u=", draw(2000));
		}
	}
	for (uint32_t left = draw(4); left > 0 && length > 0; left--)
		bytes[draw((uint32_t)length)] = (uint8_t)draw(256);
	return length;
}

static int run_files(int count, char **paths)
{
	static uint8_t bytes[1 << 16];
	for (int i = 0; i < count; i++) {
		FILE *file = fopen(paths[i], "rb");
		if (file == NULL) {
			perror(paths[i]);
			return 1;
		}
		LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof bytes, file));
		fclose(file);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 5 || strcmp(argv[1], "--seed") != 0 || strcmp(argv[3], "--seconds") != 0)
		return run_files(argc - 1, argv + 1);
	static uint8_t bytes[4096];
	unsigned long runs = 0, long_runs = 0;
	state = strtoull(argv[2], NULL, 10) * 2654435761u + 1;
	for (time_t until = time(NULL) + atoi(argv[4]); time(NULL) < until;)
		for (int i = 0; i < 1000; i++, runs++) {
			size_t length = make(bytes, sizeof bytes);
			long_runs += length > LINE_BYTES;
			LLVMFuzzerTestOneInput(bytes, length);
		}
	printf("%lu lines, %lu of them too long\n", runs, long_runs);
	return 0;
}
#endif
