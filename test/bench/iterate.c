/*
 * The task of the iteration bench: a job that does nothing but keep state. `iterate BYTES COUNT` works on the
 * directory $PORTLAYER_STATE: the first run writes BYTES of state that never changes again, each run counts up a
 * small file, prints when it began (CLOCK_MONOTONIC, ns) and exits 85; the COUNT-th exits 0.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void write_unchanging(long long bytes)
{
	static unsigned long long block[131072]; /* 1 MiB */
	unsigned long long x = 88172645463325252ull;
	int fd = open("unchanging", O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (fd < 0)
		die("unchanging");
	for (; bytes > 0; bytes -= (long long)sizeof block) {
		for (size_t i = 0; i < sizeof block / sizeof *block; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			block[i] = x;
		}
		if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
			die("write");
	}
	close(fd);
}

int main(int argc, char **argv)
{
	struct timespec now;
	long count = 0;
	const char *state = getenv("PORTLAYER_STATE");
	FILE *file;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (argc != 3 || !state || chdir(state) < 0)
		die("usage: PORTLAYER_STATE=DIR iterate BYTES COUNT");
	printf("%lld%09ld\n", (long long)now.tv_sec, now.tv_nsec);
	file = fopen("count", "r");
	if (file) {
		if (fscanf(file, "%ld", &count) != 1)
			die("count");
		fclose(file);
	} else {
		write_unchanging(atoll(argv[1]));
	}
	file = fopen("count", "w");
	if (!file || fprintf(file, "%ld\n", ++count) < 0 || fclose(file) != 0)
		die("count");
	return count < atol(argv[2]) ? 85 : 0;
}
