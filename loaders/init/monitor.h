#ifndef PORTLAYER_MONITOR_H
#define PORTLAYER_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "line.h"

/*
 * The monitor: one process per container, outside, that outlives the service. It holds the container's log,
 * carries lines between the init (relay.sock) and the service (control.sock), and reports the end.
 * One poll() loop, nothing blocks, every buffer has a fixed size.
 */

#define KEPT_LINES 16   /* guest lines kept until the service acknowledges them */
#define KEPT_ANSWERS 8  /* answers kept until the init fetches them */
#define REAPED_KEPT 16
#define STREAM_BYTES 8192 /* the longest piece of a log line */

/* --- monitor_options.c --- */

#define CGROUPS_MAX 32

struct monitor_options {
	const char *directory;
	long long log_max_bytes;
	int log_files;
	char *cgroups[CGROUPS_MAX];
	size_t cgroup_count;
	const char *pid_file; /* see struct monitor */
	const char *memory_group;
	const char *log_copy; /* a file or a serial port that gets every entry of the log too */
};

/* Reads the command line, up to the command at `optind`; NULL, or what is wrong with it. */
const char *monitor_options_parse(int argc, char **argv, struct monitor_options *options);

/* --- monitor_log.c: the container's output, in the form of a kubelet's log --- */

struct log_stream {
	int fd; /* -1 once it has ended */
	const char *name;
	char text[STREAM_BYTES];
	size_t length;
	int64_t waiting_since; /* when the piece in `text` came, or -1 */
	bool continued;        /* a piece of the present line was already written */
};

struct monitor_log {
	int directory, fd, copy;
	long long size, bytes_max;
	int files;
	unsigned long dropped;
	int drop_errno;
	struct log_stream streams[2];
};

bool log_open(struct monitor_log *log, int directory, long long bytes_max, int files);
/* Writes every entry to this file or port as well. */
bool log_copy_to(struct monitor_log *log, const char *path);
/* Reads what is there, but a bounded amount, so that a busy guest does not starve the loop. */
void log_read(struct monitor_log *log, struct log_stream *stream);
/* Writes pieces that have waited for their line end long enough; the next moment at which some will have, or -1. */
int64_t log_idle(struct monitor_log *log, int64_t now);
/* Writes what is left at the end. */
void log_finish(struct monitor_log *log);

/* --- monitor_relay.c: the init's side --- */

struct kept_line {
	char text[GUEST_BYTES]; /* with its end */
	size_t length;
	bool sent; /* on the present control connection */
};

struct kept_answer {
	char text[LINE_BYTES];
	size_t length;
};

enum relay_phase { RELAY_READING, RELAY_REPLYING, RELAY_CLOSING };

struct relay_link {
	int listener, fd;
	enum relay_phase phase;
	int64_t deadline;
	pid_t peer;
	char in[GUEST_BYTES];
	size_t in_length;
	struct line_writer out;
	size_t out_sent;
	/* A line to be kept once the init has closed: a dump must not begin while its connection is open. */
	struct kept_line pending;
	bool has_pending;
};

/* --- monitor_control.c: the service's side --- */

struct control_link {
	int listener, fd;
	char in[LINE_BYTES];
	size_t in_length;
	/* Room for MONITOR, all kept lines and the EXIT line at once. A service that lets more pile up is dropped. */
	char out[(KEPT_LINES + 8) * (LINE_BYTES + 8)];
	size_t out_length;
};

enum freeze_wish { FREEZE_NONE, FREEZE_STOP, FREEZE_CONTINUE };

struct monitor {
	char directory_path[4096];
	int directory, signals;
	struct monitor_log log;
	struct relay_link relay;
	struct control_link control;
	struct kept_line kept[KEPT_LINES];
	size_t kept_count;
	struct kept_answer answers[KEPT_ANSWERS];
	size_t answer_count;
	int64_t ring_again; /* when to ring the doorbell once more, or -1 */
	int64_t ring_pause_ms;

	/*
	 * Where the command only starts the container and ends (runc's --detach), it writes the init's pid into this file;
	 * from its success on that process is the command. NULL: the command stays to the end.
	 */
	const char *pid_file;
	struct reaped {
		pid_t pid;
		int status;
	} reaped[REAPED_KEPT]; /* the newest that ended before it was known which of them is the init */
	size_t reaped_next;

	pid_t command;
	bool command_ended;
	int status; /* waitpid()'s, once it has ended */
	pid_t init; /* on this side's numbering; 0 while unknown */
	int init_handle; /* its pidfd, or -1 */
	char incarnation[17];
	const char *state; /* `starting`, `running`, `exited` */
	bool exit_reported;
	long long reported_code, reported_signal;
	/* Where the kernel counts what it killed for want of memory; a later limit may make the last of them later. */
	const char *memory_groups[CGROUPS_MAX + 1];
	size_t memory_group_count;
	long long oom_kills_before;
	char failure[257];

	bool killed; /* by the service's word */
	bool killing;
	int64_t kill_again; /* when to go over the tree once more, or -1 */
	int64_t kill_until;
	int64_t drain_until; /* when to stop waiting for the last output, or -1 */
	enum freeze_wish freeze;
	int64_t freeze_again, freeze_until, freeze_nudge;
	bool freeze_nudged; /* continued for a moment, to be stopped again */
};

bool relay_open(struct monitor *monitor);
void relay_accept(struct monitor *monitor);
void relay_ready(struct monitor *monitor);
void relay_deadline(struct monitor *monitor, int64_t now);

bool control_open(struct monitor *monitor);
void control_accept(struct monitor *monitor);
void control_read(struct monitor *monitor);
void control_write(struct monitor *monitor);
void control_close(struct monitor *monitor);
/* Says who and what is there, on connection and whenever a value of it changes. */
void control_say_monitor(struct monitor *monitor);
/* Sends kept lines that this connection has not had. */
void control_send_kept(struct monitor *monitor);
void control_send(struct monitor *monitor, const char *text, size_t length);
void control_error(struct monitor *monitor, const char *reason);

/* --- monitor_child.c: the processes below --- */

/* Forks the command and waits until it was executed. False, with the reason in `why`. */
bool child_start(struct monitor *monitor, char **argv, char *const *cgroups, size_t cgroup_count, char *why, size_t why_size);
/* Remembers which process is the init. */
void child_init_is(struct monitor *monitor, pid_t pid);
/* Sends a signal to the init; with a value where `value` is not NULL. False and errno. */
bool child_signal(struct monitor *monitor, int number, const int *value);
/* Rings the init's doorbell, and again later, as long as answers wait. */
void child_ring(struct monitor *monitor, int64_t now);
void child_kill(struct monitor *monitor, int64_t now);
void child_freeze(struct monitor *monitor, enum freeze_wish wish, int64_t now);
/* Collects what has ended. */
void child_reap(struct monitor *monitor, int64_t now);
/* Whether any child is left. */
bool child_left(void);
/* What is due of killing, freezing, ringing. */
void child_tick(struct monitor *monitor, int64_t now);

/* --- monitor_exit.c --- */

/* How often the kernel killed something in the memory groups for want of memory, since they are there. */
long long exit_oom_kills(const struct monitor *monitor);
/* Takes room for the file `exit` at the start: a disk that is full at the end must not hide how it ended. */
bool exit_reserve(struct monitor *monitor);
/* Writes the file `exit`, and the same line to the service. */
void exit_report(struct monitor *monitor);

#endif
