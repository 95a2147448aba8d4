#ifndef PORTLAYER_GUEST_H
#define PORTLAYER_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "line.h"

/*
 * `portlayer-init guest`: what stands in a virtual machine of vSphere between its monitor and the host. It speaks by
 * VMware's guestinfo keys, through vmware-rpctool. design/relay-protocol.md has the form of the values.
 */

#define GUEST_KEPT 24          /* lines to the host that it has not acknowledged */
#define VALUE_BYTES 65536      /* the most that a key holds. Source: GUESTMSG_MAX_IN_SIZE of open-vm-tools */
#define KEY_PREFIX "guestinfo.portlayer."

/* --- guest_tool.c --- */

/* One command of vmware-rpctool (or `vmtoolsd --cmd`). False where it was refused; `answer` may be NULL. */
bool guest_rpc(const char *command, char *answer, size_t size);
bool guest_get(const char *key, char *value, size_t size);
bool guest_set(const char *key, const char *value);
/* The machine stands still in this call; every clone of it, and nothing else, returns from it. */
bool guest_freeze(void);

/* --- guest_launch.c --- */

struct guest_options {
	const char *log;   /* the serial port, or a file */
	const char *state; /* the task's directory on the machine's disk */
	long long poll_ms;
};

#define GUEST_RUN "/run/portlayer"
#define GUEST_MONITOR GUEST_RUN "/m"

/* Starts the monitor, and the init and the task below it, by what the host wrote into `launch`. NULL, or what is wrong. */
const char *guest_launch(const struct guest_options *options, char *launch);

/* --- guest_link.c: the two queues --- */

struct guest_link {
	char boot[17];          /* of this run, or of this clone */
	char self[64];          /* which machine this is: the container, and which run or clone of it */
	long long last, taken;  /* numbers of the newest line to the host, and of the newest order that was carried out */
	struct {
		long long number;
		bool of_monitor;    /* to be acknowledged to it */
		char text[LINE_BYTES];
	} kept[GUEST_KEPT];
	size_t kept_count;
	char state[16], incarnation[17];
	bool changed;           /* since the host was told */
};

void guest_link_begin(struct guest_link *link);
/* False where the host has not taken what is there: try again later. */
bool guest_link_push(struct guest_link *link, const char *text, bool of_monitor);
/* Forgets the K lines that the host has taken; how many of them the monitor is to be told of. */
size_t guest_link_acknowledged(struct guest_link *link, long long number);
/* Tells the host everything, in one key. */
bool guest_link_publish(struct guest_link *link);

/* What the host wrote, taken apart in place. */
struct guest_down {
	struct line head;
	char *orders;
};
bool guest_down_read(struct guest_down *down, char *value);
/* The next order and its number; false where there is none. */
bool guest_down_next(struct guest_down *down, long long *number, char **order);

#endif
