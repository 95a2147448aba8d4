/* The container's output in the form of a kubelet's log, rotated by size. A full disk never blocks the task. */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define IDLE_MS 1000        /* an unfinished line (a prompt, a progress bar) is written after this */
#define READ_BYTES_MAX 65536 /* of one stream in one turn of the loop */

static bool open_file(struct monitor_log *log)
{
	log->fd = openat(log->directory, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat found;
	log->size = log->fd >= 0 && fstat(log->fd, &found) == 0 ? found.st_size : 0;
	return log->fd >= 0;
}

bool log_open(struct monitor_log *log, int directory, long long bytes_max, int files)
{
	log->directory = directory;
	log->bytes_max = bytes_max;
	log->files = files;
	log->copy = -1;
	return open_file(log);
}

bool log_copy_to(struct monitor_log *log, const char *path)
{
	struct termios line;
	log->copy = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
	/* Of a terminal line ends would come out as two characters. */
	if (log->copy >= 0 && tcgetattr(log->copy, &line) == 0) {
		cfmakeraw(&line);
		tcsetattr(log->copy, TCSANOW, &line);
	}
	return log->copy >= 0;
}

/* A port that takes no more loses entries, not the task's time. */
static void copy_entry(const struct monitor_log *log, const struct iovec *pieces)
{
	char text[STREAM_BYTES + 128];
	size_t length = 0, at = 0;
	for (int i = 0; i < 3; i++) {
		memcpy(text + length, pieces[i].iov_base, pieces[i].iov_len);
		length += pieces[i].iov_len;
	}
	while (at < length) {
		ssize_t sent = write(log->copy, text + at, length - at);
		if (sent > 0)
			at += (size_t)sent;
		else if (errno != EINTR)
			return;
	}
}

static void rotate(struct monitor_log *log)
{
	char from[32], to[32];
	for (int i = log->files - 2; i >= 0; i--) {
		snprintf(from, sizeof from, i == 0 ? "log" : "log.%d", i);
		snprintf(to, sizeof to, "log.%d", i + 1);
		renameat(log->directory, from, log->directory, to);
	}
	if (log->files == 1)
		unlinkat(log->directory, "log", 0);
	int old = log->fd;
	if (open_file(log))
		close(old);
	else
		log->fd = old; /* better a file too long than no log */
}

/* Writes one entry whole or not at all; false and errno where it could not. */
static bool put(struct monitor_log *log, const char *stream, bool whole, const char *text, size_t length)
{
	char head[64];
	struct timespec now;
	struct tm parts;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	size_t used = strftime(head, sizeof head, "%Y-%m-%dT%H:%M:%S", &parts);
	used += (size_t)snprintf(head + used, sizeof head - used, ".%09ldZ %s %c ", now.tv_nsec, stream, whole ? 'F' : 'P');

	size_t all = used + length + 1;
	if (log->size > 0 && log->size + (long long)all > log->bytes_max)
		rotate(log);
	struct iovec pieces[] = {{head, used}, {(void *)text, length}, {"\n", 1}};
	if (log->copy >= 0)
		copy_entry(log, pieces);
	ssize_t written = writev(log->fd, pieces, 3);
	if (written == (ssize_t)all) {
		log->size += written;
		return true;
	}
	int reason = written < 0 ? errno : ENOSPC;
	/* Half an entry would spoil the next one. */
	if (written > 0 && ftruncate(log->fd, log->size) != 0)
		log->size += written;
	errno = reason;
	return false;
}

static void entry(struct monitor_log *log, const char *stream, bool whole, const char *text, size_t length)
{
	if (log->dropped > 0) {
		char note[160];
		int size = snprintf(note, sizeof note, "portlayer: %lu lines dropped: %s", log->dropped,
				    log->drop_errno == ENOSPC ? "No space left" : strerror(log->drop_errno));
		if (put(log, "stderr", true, note, (size_t)size))
			log->dropped = 0;
	}
	if (log->dropped > 0 || !put(log, stream, whole, text, length)) {
		if (log->dropped++ == 0)
			log->drop_errno = errno;
	}
}

static void take(struct monitor_log *log, struct log_stream *stream, const char *text, size_t length)
{
	while (length > 0) {
		const char *end = memchr(text, '\n', length);
		size_t piece = end != NULL ? (size_t)(end - text) : length;
		size_t room = STREAM_BYTES - stream->length;
		size_t now = piece < room ? piece : room;
		memcpy(stream->text + stream->length, text, now);
		stream->length += now;
		text += now;
		length -= now;
		if (end != NULL && now == piece) {
			entry(log, stream->name, true, stream->text, stream->length);
			stream->length = 0;
			stream->continued = false;
			text++;
			length--;
		} else if (stream->length == STREAM_BYTES) {
			entry(log, stream->name, false, stream->text, stream->length);
			stream->length = 0;
			stream->continued = true;
		}
	}
	stream->waiting_since = stream->length > 0 ? clock_ms() : -1;
}

void log_read(struct monitor_log *log, struct log_stream *stream)
{
	static char buffer[16384];
	for (size_t total = 0; total < READ_BYTES_MAX;) {
		ssize_t got = read(stream->fd, buffer, sizeof buffer);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			close(stream->fd);
			stream->fd = -1;
			return;
		}
		take(log, stream, buffer, (size_t)got);
		total += (size_t)got;
	}
}

int64_t log_idle(struct monitor_log *log, int64_t now)
{
	int64_t next = -1;
	for (int i = 0; i < 2; i++) {
		struct log_stream *stream = &log->streams[i];
		if (stream->waiting_since < 0)
			continue;
		if (now - stream->waiting_since < IDLE_MS) {
			next = clock_earlier(next, stream->waiting_since + IDLE_MS);
			continue;
		}
		entry(log, stream->name, false, stream->text, stream->length);
		stream->length = 0;
		stream->continued = true;
		stream->waiting_since = -1;
	}
	return next;
}

void log_finish(struct monitor_log *log)
{
	for (int i = 0; i < 2; i++) {
		struct log_stream *stream = &log->streams[i];
		/* A line that was begun is ended, so that no reader waits for the rest of it. */
		if (stream->length > 0 || stream->continued)
			entry(log, stream->name, true, stream->text, stream->length);
		stream->length = 0;
		stream->continued = false;
	}
	if (log->dropped > 0)
		entry(log, "stderr", true, "portlayer: end of the log", 25);
}
