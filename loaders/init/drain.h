#ifndef PORTLAYER_DRAIN_H
#define PORTLAYER_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "chunk_hash.h"

#define STREAMS_MAX 1024
#define NAME_BYTES 200

enum stream_state { STREAM_ARMED, STREAM_FLOWING, STREAM_ENDED };

/* One image: a named pipe in the container's room that is read, and the file that it is written to. */
struct stream {
	const char *name;
	pid_t pid; /* inside */
	enum stream_state state;
	int in, out;
	ino_t inode; /* of the pipe */
	bool flowed;
	struct chunk_hash hash;
};

struct drain {
	const char *root, *room_path, *askers, *out_path, *netns;
	long long uid, gid;
	int room, out;
	struct stream streams[STREAMS_MAX];
	size_t count;
	/* From then on everything is read and thrown away: whoever writes must not notice. */
	bool discarding;
	int failed; /* errno of the first write that went wrong */
	bool told, going, ending;
	size_t taken; /* in this turn */
};

/* --- drain_holds.c --- */

/* Says what a process holds that DMTCP can neither keep nor suspend; false where nothing is seen. */
bool drain_holds(struct drain *drain);

/* --- drain_files.c --- */

/* Opens the room without following any link of the container's. False and errno. */
bool drain_open_room(struct drain *drain);
/* Makes the pipe and the file of one stream, with `reserve` bytes of room. False and errno. */
bool drain_arm(struct drain *drain, struct stream *stream, long long reserve);
/* Writes to a stream's file, or throws away. */
void drain_keep(struct drain *drain, int out, struct chunk_hash *hash, const void *bytes, size_t size);
/* Closes a stream and says what it came to. */
void drain_end_stream(struct drain *drain, struct stream *stream);
/* Takes the images that processes wrote which were not known when the pipes were made. */
void drain_take_strays(struct drain *drain);
/*
 * Whether a pipe that was written is yet to be renamed: its process does so when all have written theirs, and DMTCP ends
 * it where that fails.
 */
bool drain_rename_pending(const struct drain *drain);
/* Removes what the dump has left in the room, but for what a process is yet to rename. */
void drain_sweep(struct drain *drain);
/* Says one line to the service. */
void drain_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
