/* Four threads that each count under a lock; prints the sum of all, and that every thread still moves. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long counts[4];

static void *count(void *which)
{
	for (;;) {
		pthread_mutex_lock(&lock);
		++*(long *)which;
		pthread_mutex_unlock(&lock);
		usleep(1000);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[4];
	long before[4] = {0};
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, count, &counts[i]);
	for (int round = 1;; round++) {
		usleep(50000);
		int moved = 0;
		pthread_mutex_lock(&lock);
		for (int i = 0; i < 4; i++) {
			moved += counts[i] > before[i];
			before[i] = counts[i];
		}
		pthread_mutex_unlock(&lock);
		printf("round %d: %d threads moved\n", round, moved);
	}
}
