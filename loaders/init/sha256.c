/* SHA-256 (FIPS 180-4), by the processor's own instructions where it has them: a gigabyte takes half a second, not five. */
#include "sha256.h"

#include <stdbool.h>
#include <string.h>

static const uint32_t K[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

static void plain_blocks(uint32_t *state, const unsigned char *bytes, size_t blocks)
{
	for (; blocks > 0; blocks--, bytes += 64) {
		uint32_t w[64], s[8];
		for (int i = 0; i < 16; i++)
			w[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 |
			       (uint32_t)bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
		for (int i = 16; i < 64; i++)
			w[i] = w[i - 16] + (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] +
			       (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
		memcpy(s, state, sizeof s);
		for (int i = 0; i < 64; i++) {
			uint32_t one = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) +
				       ((s[4] & s[5]) ^ (~s[4] & s[6])) + K[i] + w[i];
			uint32_t two = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) +
				       ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
			memmove(s + 1, s, 7 * sizeof s[0]);
			s[4] += one;
			s[0] = one + two;
		}
		for (int i = 0; i < 8; i++)
			state[i] += s[i];
	}
}

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

__attribute__((target("sha,sse4.1"))) static void fast_blocks(uint32_t *state, const unsigned char *bytes, size_t blocks)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
	/* The instructions keep the state as ABEF and CDGH. */
	__m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
	__m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
	__m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xf0);
	for (; blocks > 0; blocks--, bytes += 64) {
		__m128i abef_before = abef, cdgh_before = cdgh, w[4];
		for (int i = 0; i < 16; i++) {
			__m128i *now = &w[i & 3];
			if (i < 4) {
				*now = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(bytes + 16 * i)), swap);
			} else {
				__m128i last = w[(i + 3) & 3];
				*now = _mm_sha256msg1_epu32(*now, w[(i + 1) & 3]);
				*now = _mm_add_epi32(*now, _mm_alignr_epi8(last, w[(i + 2) & 3], 4));
				*now = _mm_sha256msg2_epu32(*now, last);
			}
			__m128i sum = _mm_add_epi32(*now, _mm_loadu_si128((const __m128i *)(K + 4 * i)));
			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
		}
		abef = _mm_add_epi32(abef, abef_before);
		cdgh = _mm_add_epi32(cdgh, cdgh_before);
	}
	low = _mm_shuffle_epi32(abef, 0x1b);
	high = _mm_shuffle_epi32(cdgh, 0xb1);
	_mm_storeu_si128((__m128i *)state, _mm_blend_epi16(low, high, 0xf0));
	_mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(high, low, 8));
}

static bool is_fast(void)
{
	static int known = -1;
	unsigned int a, b, c, d;
	if (known < 0)
		known = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) && __get_cpuid(1, &a, &b, &c, &d) &&
			(c >> 19 & 1);
	return known == 1;
}

static void add_blocks(uint32_t *state, const unsigned char *bytes, size_t blocks)
{
	(is_fast() ? fast_blocks : plain_blocks)(state, bytes, blocks);
}
#else
static void add_blocks(uint32_t *state, const unsigned char *bytes, size_t blocks)
{
	plain_blocks(state, bytes, blocks);
}
#endif

void sha256_begin(struct sha256 *sum)
{
	static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	memcpy(sum->state, first, sizeof first);
	sum->bytes = 0;
}

void sha256_add(struct sha256 *sum, const void *data, size_t length)
{
	const unsigned char *bytes = data;
	size_t kept = sum->bytes % 64;
	sum->bytes += length;
	if (kept > 0) {
		size_t taken = length < 64 - kept ? length : 64 - kept;
		memcpy(sum->block + kept, bytes, taken);
		if (kept + taken < 64)
			return;
		add_blocks(sum->state, sum->block, 1);
		bytes += taken;
		length -= taken;
	}
	add_blocks(sum->state, bytes, length / 64);
	memcpy(sum->block, bytes + length / 64 * 64, length % 64);
}

void sha256_end(struct sha256 *sum, unsigned char digest[32])
{
	uint64_t bits = sum->bytes * 8;
	static const unsigned char pad[64] = {0x80};
	unsigned char length[8];
	sha256_add(sum, pad, (size_t)(sum->bytes % 64 < 56 ? 56 - sum->bytes % 64 : 120 - sum->bytes % 64));
	for (int i = 0; i < 8; i++)
		length[i] = (unsigned char)(bits >> (56 - 8 * i));
	sha256_add(sum, length, 8);
	for (int i = 0; i < 32; i++)
		digest[i] = (unsigned char)(sum->state[i / 4] >> (24 - 8 * (i % 4)));
}
