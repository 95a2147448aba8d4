/* The files of `portlayer-init drain`: everything in the room is the container's, so nothing there is followed or trusted. */
#include "drain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peek.h"
#include "stamp.h"

#define PIPE_BYTES (1 << 20)

static unsigned char piece[256 << 10];

void drain_say(const char *format, ...)
{
	char line[NAME_BYTES + 1200];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(line, sizeof line - 1, format, arguments);
	va_end(arguments);
	if (length > (int)sizeof line - 2)
		length = (int)sizeof line - 2;
	line[length++] = '\n';
	ssize_t ignored = write(STDOUT_FILENO, line, (size_t)length);
	(void)ignored;
}

bool drain_open_room(struct drain *drain)
{
	drain->room = peek_open(drain->root, drain->room_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	drain->out = open(drain->out_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return drain->room >= 0 && drain->out >= 0;
}

static int create(struct drain *drain, const char *name)
{
	int fd = openat(drain->out, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && drain->uid >= 0 && fchown(fd, (uid_t)drain->uid, (gid_t)drain->gid) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

bool drain_arm(struct drain *drain, struct stream *stream, long long reserve)
{
	char pipe_name[NAME_BYTES + 8];
	struct stat about;
	snprintf(pipe_name, sizeof pipe_name, "%s.temp", stream->name);
	stream->out = create(drain, stream->name);
	if (stream->out < 0)
		return false;
	/* Where a file system cannot set room aside, it is found out by writing. */
	if (reserve > 0 && fallocate(stream->out, FALLOC_FL_KEEP_SIZE, 0, reserve) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
		return false;
	/* What an earlier dump left, whose reader may be there still, has another inode. */
	unlinkat(drain->room, pipe_name, 0);
	if (mkfifoat(drain->room, pipe_name, 0600) != 0)
		return false;
	stream->in = openat(drain->room, pipe_name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (stream->in < 0 || fstat(stream->in, &about) != 0)
		return false;
	if (!S_ISFIFO(about.st_mode)) {
		errno = EINVAL;
		return false;
	}
	/* For any user of the container; the umask has no say. */
	if (fchmod(stream->in, 0622) != 0)
		return false;
	fcntl(stream->in, F_SETPIPE_SZ, PIPE_BYTES);
	stream->inode = about.st_ino;
	stream->state = STREAM_ARMED;
	chunk_hash_begin(&stream->hash);
	return true;
}

void drain_keep(struct drain *drain, int out, struct chunk_hash *hash, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	if (drain->discarding)
		return;
	chunk_hash_add(hash, bytes, size);
	while (size > 0) {
		ssize_t written = write(out, bytes, size);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			drain->failed = errno;
			drain->discarding = true;
			drain_say("FAILED errno=%d %s", errno, strerror(errno));
			return;
		}
		bytes += written;
		size -= (size_t)written;
	}
}

static void say_file(struct drain *drain, const char *name, int out, struct chunk_hash *hash)
{
	/* Gives back what was set aside and not needed. */
	if (drain->discarding || ftruncate(out, (off_t)hash->bytes) != 0)
		return;
	struct stat about;
	char stamp[STAMP_BYTES] = "-";
	if (fstat(out, &about) == 0)
		stamp_write(stamp, &about);
	unsigned long long bytes = hash->bytes;
	drain_say("FILE %s %016" PRIx64 " %llu %s", name, chunk_hash_end(hash), bytes, stamp);
}

void drain_end_stream(struct drain *drain, struct stream *stream)
{
	if (stream->state == STREAM_FLOWING)
		say_file(drain, stream->name, stream->out, &stream->hash);
	else
		unlinkat(drain->out, stream->name, 0);
	close(stream->in);
	close(stream->out);
	stream->state = STREAM_ENDED;
}

static bool is_image(const char *name)
{
	size_t length = strlen(name);
	return length > 11 && length < NAME_BYTES && strncmp(name, "ckpt_", 5) == 0 && strcmp(name + length - 6, ".dmtcp") == 0;
}

static void take_stray(struct drain *drain, const char *name)
{
	struct stat about;
	struct chunk_hash hash;
	int in = openat(drain->room, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC), out;
	if (in < 0)
		return;
	if (fstat(in, &about) == 0 && S_ISREG(about.st_mode) && !drain->discarding && (out = create(drain, name)) >= 0) {
		ssize_t got;
		chunk_hash_begin(&hash);
		while ((got = read(in, piece, sizeof piece)) > 0)
			drain_keep(drain, out, &hash, piece, (size_t)got);
		say_file(drain, name, out, &hash);
		close(out);
	}
	close(in);
}

/* Calls `take` for each name in the room. */
static void each_name(struct drain *drain, void (*take)(struct drain *drain, const char *name))
{
	int fd = openat(drain->room, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL)
		take(drain, entry->d_name);
	closedir(directory);
}

static void take_if_image(struct drain *drain, const char *name)
{
	if (is_image(name))
		take_stray(drain, name);
}

void drain_take_strays(struct drain *drain)
{
	each_name(drain, take_if_image);
}

bool drain_rename_pending(const struct drain *drain)
{
	for (size_t i = 0; i < drain->count; i++) {
		const struct stream *stream = &drain->streams[i];
		char pipe_name[NAME_BYTES + 8];
		struct stat about;
		snprintf(pipe_name, sizeof pipe_name, "%s.temp", stream->name);
		if (stream->flowed && fstatat(drain->room, pipe_name, &about, AT_SYMLINK_NOFOLLOW) == 0 && about.st_ino == stream->inode)
			return true;
	}
	return false;
}

/* A pipe of a later dump, with a reader of its own, stays; so does one of this dump that is yet to be renamed. */
static bool is_needed(struct drain *drain, const char *name, bool pending)
{
	struct stat about;
	if (fstatat(drain->room, name, &about, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISFIFO(about.st_mode))
		return false;
	for (size_t i = 0; i < drain->count; i++)
		if (drain->streams[i].inode == about.st_ino)
			return pending && drain->streams[i].flowed;
	return true;
}

static void sweep_one(struct drain *drain, const char *name)
{
	size_t length = strlen(name);
	bool pending = length > 5 && strcmp(name + length - 5, ".temp") == 0 && strncmp(name, "ckpt_", 5) == 0;
	bool script = strncmp(name, "dmtcp_restart_script", 20) == 0;
	if ((is_image(name) || pending || script) && !is_needed(drain, name, pending))
		unlinkat(drain->room, name, 0);
}

void drain_sweep(struct drain *drain)
{
	each_name(drain, sweep_one);
}
