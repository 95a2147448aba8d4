/* Holds its parent in vfork(2) for ever: a child that executes nothing. A thread beside it shows that the process runs. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *alive(void *unused)
{
	for (int i = 1;; i++) {
		printf("alive %d\n", i);
		fflush(stdout);
		usleep(50000);
	}
	return unused;
}

int main(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, alive, NULL);
	if (vfork() == 0)
		for (;;)
			pause();
	return 0;
}
