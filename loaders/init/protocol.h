#ifndef PORTLAYER_PROTOCOL_H
#define PORTLAYER_PROTOCOL_H

/* The fixed numbers of design/relay-protocol.md. */

/*
 * Real-time signals by number, not as SIGRTMIN+n: glibc's SIGRTMIN is 34, musl's is 35,
 * and the task need not be linked against the libc that the init was built with.
 */
#define SIGNAL_ASK 39      /* task → init: please checkpoint; the value names the mechanism */
#define SIGNAL_ANSWER 40   /* init → task: fork()'s answer in the value */
#define SIGNAL_DOORBELL 41 /* monitor → init: there is an answer to fetch */
#define SIGNAL_FREEZE 42   /* monitor → init: value 1 stops what it started, 0 continues it */

#define PATIENCE_MS 5000        /* what each side gives the other for one line */
#define ASKERS_MAX 64           /* askers that wait at once in one container */
#define DEFAULT_LIMIT_MS 600000 /* an asker's time limit where it names none */
#define LIMIT_MAX_MS 86400000   /* the longest time limit an asker may name */
#define DEFAULT_CHECKPOINT_EXIT 85
#define DEFAULT_SOCKET "/run/portlayer/checkpoint.sock"
#define KEEPER_NAME "portlayer-keep"

/* Where a container could not be brought up; as docker's and env(1)'s convention has it. */
#define EXIT_USAGE 2
#define EXIT_SETUP 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

#define VERSION_TEXT "portlayer-init 0.1.0 relay 1"

#endif
