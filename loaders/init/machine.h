#ifndef PORTLAYER_MACHINE_H
#define PORTLAYER_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "line.h"

/*
 * A machine has the init in its guest and the monitor outside, with a serial port between them. Two more parts of this
 * binary make the port look like what both know: `machine-init` is the guest's PID 1 (what the monitor is to the init),
 * `machine` is the command of the monitor, above QEMU (what the init is to the monitor). See design/mechanisms/vmfork-qemu.md.
 *
 * Lines on the control port, from the guest: `L line` of the init, `C` it has closed, `A text` to an order, `G code signal`
 * everything has ended. To the guest: `R line` the reply, `B` the doorbell, `S n` a signal, `O text` an order,
 * `Z` a new host side: forget what was under way.
 */

#define PORT_CONTROL "org.portlayer.control"
#define PORT_STDOUT "org.portlayer.stdout"
#define PORT_STDERR "org.portlayer.stderr"
#define PORT_LINE (LINE_BYTES + 16)

/* Bytes in, lines out; what is longer than a line is thrown away up to its end. */
struct port_lines {
	char text[2 * PORT_LINE];
	size_t length;
	bool skipping;
};

/* Takes what one read() gives. False at the end, or where nothing can be read any more. */
bool port_fill(struct port_lines *lines, int fd);
/* The next whole line without its end, NUL-terminated, in `line`; false where there is none. */
bool port_next(struct port_lines *lines, char line[PORT_LINE]);
/*
 * Writes one line: `word`, a space and `text` where there is one. `text` may have a line end. False where it could not be
 * written, in time: a guest that asks and does not read its answers must not hold the bridge up for good.
 */
bool port_say(int fd, const char *word, const char *text);

/* --- machine_boot.c: what a guest's PID 1 does before anything runs --- */

struct machine_ports {
	int control, out, err;
};

/* Mounts, modules, ports, root file system. NULL, or what went wrong; errno then says why. */
const char *machine_boot(struct machine_ports *ports);

/* What the host wrote into the initramfs: `count` environment entries, then the init's own command line. */
struct machine_launch {
	char *text;
	char **environment, **argv;
	int argc;
};
bool machine_read_launch(struct machine_launch *launch);

/* --- machine_identity.c --- */

/* Network and machine-id of this machine, from `PORTLAYER_MAC`, … in its environment. */
void machine_first_identity(void);
/* Takes on what an ANSWER result=restored says beyond the init's part; `missed` gets the parts that could not be. */
void machine_new_identity(const char *answer, char *missed, size_t size);
/* Who this is now, as the kernel and the files say: a part of READY, for the host to compare with what it was told to be. */
void machine_who(char *text, size_t size);

#endif
