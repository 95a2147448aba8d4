#ifndef PORTLAYER_CHUNK_HASH_H
#define PORTLAYER_CHUNK_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A checksum against damage, not against malice: XXH64 (seed 0) of each 16 MiB of a file, and XXH64 over those
 * sums, as little-endian words, is the file's. So a file can be summed while it is written, and by several
 * processes at once when it is read.
 */

#define CHUNK_BYTES (16u << 20)

struct xxh64 {
	uint64_t lanes[4], total;
	unsigned char rest[32];
	size_t held;
};

void xxh64_begin(struct xxh64 *state);
void xxh64_add(struct xxh64 *state, const void *bytes, size_t size);
uint64_t xxh64_end(const struct xxh64 *state);

/* The sum of a file that comes in pieces. */
struct chunk_hash {
	struct xxh64 chunk, whole;
	size_t in_chunk;
	uint64_t bytes;
};

void chunk_hash_begin(struct chunk_hash *hash);
void chunk_hash_add(struct chunk_hash *hash, const void *bytes, size_t size);
uint64_t chunk_hash_end(struct chunk_hash *hash);

#endif
