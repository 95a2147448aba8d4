/* XXH64 after its specification (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), and the sum in chunks. */
#include "chunk_hash.h"

#include <string.h>

#define PRIME_1 0x9E3779B185EBCA87ULL
#define PRIME_2 0xC2B2AE3D27D4EB4FULL
#define PRIME_3 0x165667B19E3779F9ULL
#define PRIME_4 0x85EBCA77C2B2AE63ULL
#define PRIME_5 0x27D4EB2F165667C5ULL

static uint64_t turn(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

static uint64_t word_at(const unsigned char *bytes)
{
	uint64_t word;
	memcpy(&word, bytes, sizeof word);
	return word; /* every host that this runs on is little-endian */
}

static uint64_t round_of(uint64_t lane, uint64_t word)
{
	return turn(lane + word * PRIME_2, 31) * PRIME_1;
}

void xxh64_begin(struct xxh64 *state)
{
	*state = (struct xxh64){.lanes = {PRIME_1 + PRIME_2, PRIME_2, 0, 0 - PRIME_1}};
}

static void stripes(struct xxh64 *state, const unsigned char *bytes, size_t count)
{
	uint64_t a = state->lanes[0], b = state->lanes[1], c = state->lanes[2], d = state->lanes[3];
	for (; count > 0; count--, bytes += 32) {
		a = round_of(a, word_at(bytes));
		b = round_of(b, word_at(bytes + 8));
		c = round_of(c, word_at(bytes + 16));
		d = round_of(d, word_at(bytes + 24));
	}
	state->lanes[0] = a;
	state->lanes[1] = b;
	state->lanes[2] = c;
	state->lanes[3] = d;
}

void xxh64_add(struct xxh64 *state, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	state->total += size;
	if (state->held > 0) {
		size_t fits = sizeof state->rest - state->held;
		if (fits > size)
			fits = size;
		memcpy(state->rest + state->held, bytes, fits);
		state->held += fits;
		bytes += fits;
		size -= fits;
		if (state->held < sizeof state->rest)
			return;
		stripes(state, state->rest, 1);
		state->held = 0;
	}
	stripes(state, bytes, size / 32);
	state->held = size % 32;
	memcpy(state->rest, bytes + size - state->held, state->held);
}

uint64_t xxh64_end(const struct xxh64 *state)
{
	const uint64_t *lanes = state->lanes;
	uint64_t sum = PRIME_5;
	if (state->total >= 32) {
		sum = turn(lanes[0], 1) + turn(lanes[1], 7) + turn(lanes[2], 12) + turn(lanes[3], 18);
		for (int i = 0; i < 4; i++)
			sum = (sum ^ round_of(0, lanes[i])) * PRIME_1 + PRIME_4;
	}
	sum += state->total;
	size_t at = 0;
	for (; at + 8 <= state->held; at += 8)
		sum = turn(sum ^ round_of(0, word_at(state->rest + at)), 27) * PRIME_1 + PRIME_4;
	if (at + 4 <= state->held) {
		uint32_t half;
		memcpy(&half, state->rest + at, sizeof half);
		sum = turn(sum ^ half * PRIME_1, 23) * PRIME_2 + PRIME_3;
		at += 4;
	}
	for (; at < state->held; at++)
		sum = turn(sum ^ state->rest[at] * PRIME_5, 11) * PRIME_1;
	sum = (sum ^ sum >> 33) * PRIME_2;
	sum = (sum ^ sum >> 29) * PRIME_3;
	return sum ^ sum >> 32;
}

void chunk_hash_begin(struct chunk_hash *hash)
{
	hash->in_chunk = 0;
	hash->bytes = 0;
	xxh64_begin(&hash->chunk);
	xxh64_begin(&hash->whole);
}

static void end_chunk(struct chunk_hash *hash)
{
	uint64_t sum = xxh64_end(&hash->chunk);
	xxh64_add(&hash->whole, &sum, sizeof sum);
	xxh64_begin(&hash->chunk);
	hash->in_chunk = 0;
}

void chunk_hash_add(struct chunk_hash *hash, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	hash->bytes += size;
	while (size > 0) {
		size_t fits = CHUNK_BYTES - hash->in_chunk;
		if (fits > size)
			fits = size;
		xxh64_add(&hash->chunk, bytes, fits);
		hash->in_chunk += fits;
		bytes += fits;
		size -= fits;
		if (hash->in_chunk == CHUNK_BYTES)
			end_chunk(hash);
	}
}

uint64_t chunk_hash_end(struct chunk_hash *hash)
{
	if (hash->in_chunk > 0)
		end_chunk(hash);
	return xxh64_end(&hash->whole);
}
