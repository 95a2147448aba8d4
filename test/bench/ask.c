/*
 * The task of the trigger bench: asks for a checkpoint COUNT times as a program does, by sigqueue to PID 1, waits for
 * the answer, and prints how long that took (us) and the answer's value.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_NS 10000000 /* A task that asks without a pause is a flood, and is dropped. */

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
	const struct timespec patience = { .tv_sec = 10 }, pause = { .tv_nsec = PAUSE_NS };
	long count = argc > 1 ? atol(argv[1]) : 200;
	sigset_t answers;

	sigemptyset(&answers);
	sigaddset(&answers, SIGRTMIN + 6);
	sigprocmask(SIG_BLOCK, &answers, NULL);
	for (long i = 0; i < count; i++) {
		const union sigval any = { .sival_int = 0 };
		siginfo_t info;
		double begun;

		nanosleep(&pause, NULL);
		begun = now_us();
		if (sigqueue(1, SIGRTMIN + 5, any) < 0 || sigtimedwait(&answers, &info, &patience) < 0) {
			perror("trigger");
			return 1;
		}
		printf("%.1f %d\n", now_us() - begun, info.si_value.sival_int);
	}
	return 0;
}
