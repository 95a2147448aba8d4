#ifndef PORTLAYER_MACHINE_HOST_H
#define PORTLAYER_MACHINE_HOST_H

#include <stdbool.h>
#include <sys/types.h>

/* The host's side of a machine: what `portlayer-init machine` was asked for, and QEMU below it. */

#define SHOWN_MAX 8

struct machine_options {
	const char *relay;    /* the monitor's relay.sock */
	const char *orders;   /* where the service's orders to the guest come in */
	const char *errors;   /* the file for what QEMU itself says */
	const char *resume;   /* a copy: the incarnation in the image; NULL: a boot */
	const char *incoming; /* a copy: the file of device state, given to QEMU as descriptor 6 */
	long long uid, gid;   /* QEMU's user; -1: as we are */
	const char *console;  /* the file for what the guest's kernel says, given to QEMU as descriptor 7 */
	const char *own;      /* the directory that is made QEMU's, with the files in it */
	const char *hide;     /* the port layer's directory, of which QEMU sees only what is shown */
	const char *show[SHOWN_MAX];
	int shown;
	const char *memory;    /* a copy: the image's memory file, … */
	const char *memory_at; /* … which QEMU finds here, and nobody else does */
	bool snapshots;       /* keep CAP_SYS_PTRACE, which userfaultfd(2) wants of an unprivileged process */
	char **argv;
};

/* Descriptors that QEMU finds open. */
#define FD_CONTROL 3
#define FD_STDOUT 4
#define FD_STDERR 5
#define FD_INCOMING 6
#define FD_CONSOLE 7

/* Reads the command line; NULL, or what is wrong with it. */
const char *machine_options_parse(int argc, char **argv, struct machine_options *options);
/* Gives a directory and the files in it to a user. */
bool machine_own(const char *directory, long long uid, long long gid);
/* Namespaces for mounts and processes of QEMU's own; called in the process that becomes QEMU. */
bool machine_jail(const struct machine_options *options);
/* Starts QEMU with these ends of the ports. Its pid, or -1. */
pid_t machine_start(const struct machine_options *options, const int ports[3]);

/* --- machine_dump.c --- */

/* A dump under way; one at a time. What is -1, or 0 for the worker, is not there. */
struct machine_dump {
	int listener; /* QEMU has not come yet */
	int stream;   /* QEMU's, also of a splitter that has ended before it */
	int order;    /* the service that asked */
	int reasons;  /* what the splitter says */
	pid_t worker; /* the splitter */
	bool draining;
	char text[1100], reason[200];
	char *socket, *ram, *state; /* in `text` */
};

void machine_dump_none(struct machine_dump *dump);
/* The order, without its word, and the connection it came on. */
void machine_dump_begin(struct machine_dump *dump, const char *text, int order);
void machine_dump_order_closed(struct machine_dump *dump);
/* QEMU comes. */
void machine_dump_accept(struct machine_dump *dump);
/* The splitter has ended. */
void machine_dump_ended(struct machine_dump *dump, int status);
void machine_dump_drain(struct machine_dump *dump);

#endif
