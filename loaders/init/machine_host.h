#ifndef PORTLAYER_MACHINE_HOST_H
#define PORTLAYER_MACHINE_HOST_H

#include <stdbool.h>
#include <sys/types.h>

/* The host's side of a machine: what `portlayer-init machine` was asked for, and QEMU below it. */

struct machine_options {
	const char *relay;    /* the monitor's relay.sock */
	const char *orders;   /* where the service's orders to the guest come in */
	const char *errors;   /* the file for what QEMU itself says */
	const char *resume;   /* a copy: the incarnation in the image; NULL: a boot */
	const char *incoming; /* a copy: the file of device state, given to QEMU as descriptor 6 */
	long long uid, gid;   /* QEMU's user; -1: as we are */
	bool snapshots;       /* keep CAP_SYS_PTRACE, which userfaultfd(2) wants of an unprivileged process */
	char **argv;
};

/* Descriptors that QEMU finds open. */
#define FD_CONTROL 3
#define FD_STDOUT 4
#define FD_STDERR 5
#define FD_INCOMING 6

/* Reads the command line; NULL, or what is wrong with it. */
const char *machine_options_parse(int argc, char **argv, struct machine_options *options);
/* Starts QEMU with these ends of the ports. Its pid, or -1. */
pid_t machine_start(const struct machine_options *options, const int ports[3]);

#endif
