/* A task that asks by signal, as design/relay-protocol.md tells one to: asker MECHANISM-NUMBER; prints the answer. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
	const char *init = getenv("PORTLAYER_INIT_PID");
	sigset_t answer;
	siginfo_t info;
	struct timespec limit = {20, 0};
	sigemptyset(&answer);
	sigaddset(&answer, 40);
	sigprocmask(SIG_BLOCK, &answer, NULL);
	if (sigqueue(init ? atoi(init) : 1, 39, (union sigval){.sival_int = argc > 1 ? atoi(argv[1]) : 0}) != 0) {
		perror("sigqueue");
		return 1;
	}
	int got;
	do
		got = sigtimedwait(&answer, &info, &limit);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		perror("sigtimedwait");
		return 1;
	}
	printf("answer %d\n", info.si_int);
	return 0;
}
