/*
 * `portlayer-init machine-clock`: the frequency of this host's time stamp counter in kHz, on standard output. Guests
 * under TCG see the same counter, and one without another clock to measure it by must be told.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "commands.h"
#include "protocol.h"

#define MEASURE_NS 100000000L

#if defined(__x86_64__)
static double now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int machine_clock_command(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	double began = now_ns();
	uint64_t from = __builtin_ia32_rdtsc();
	nanosleep(&(struct timespec){0, MEASURE_NS}, NULL);
	double ended = now_ns();
	uint64_t to = __builtin_ia32_rdtsc();
	printf("%.0f\n", (double)(to - from) * 1e6 / (ended - began));
	return 0;
}
#else
int machine_clock_command(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return EXIT_SETUP;
}
#endif
