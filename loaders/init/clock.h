#ifndef PORTLAYER_CLOCK_H
#define PORTLAYER_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds that only rise; for time limits. */
static inline int64_t clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Microseconds that only rise; to measure. */
static inline int64_t clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Milliseconds since 1970; for people. */
static inline int64_t clock_wall_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The earlier of two moments, where -1 means none. */
static inline int64_t clock_earlier(int64_t a, int64_t b)
{
	if (a < 0 || (b >= 0 && b < a))
		return b;
	return a;
}

/* A moment as poll()'s timeout: -1 where there is none. */
static inline int clock_timeout(int64_t moment, int64_t now)
{
	if (moment < 0)
		return -1;
	int64_t left = moment - now;
	return left <= 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

#endif
