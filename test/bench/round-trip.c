/* The floor of the trigger bench: one byte to another process and back over a unix socket, COUNT times, in us. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = 10000000 }; /* As the task that asks. */
	long count = argc > 1 ? atol(argv[1]) : 200;
	int ends[2];
	char byte = 'x';

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return 1;
	if (fork() == 0) {
		close(ends[0]);
		while (read(ends[1], &byte, 1) == 1 && write(ends[1], &byte, 1) == 1)
			;
		_exit(0);
	}
	close(ends[1]);
	for (long i = 0; i < count; i++) {
		double begun;

		nanosleep(&pause, NULL);
		begun = now_us();
		if (write(ends[0], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1)
			return 1;
		printf("%.1f\n", now_us() - begun);
	}
	return 0;
}
