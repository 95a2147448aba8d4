/* Lines on a machine's serial port, the same on both of its ends. */
#include "machine.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define STUCK_MS 2000 /* for the other end to take a line: it has buffered hundreds of them by then */

bool port_fill(struct port_lines *lines, int fd)
{
	ssize_t got = read(fd, lines->text + lines->length, sizeof lines->text - lines->length);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	lines->length += (size_t)got;
	return got > 0;
}

bool port_next(struct port_lines *lines, char line[PORT_LINE])
{
	for (;;) {
		char *end = memchr(lines->text, '\n', lines->length);
		if (end == NULL) {
			if (lines->length >= PORT_LINE) {
				lines->length = 0;
				lines->skipping = true;
			}
			return false;
		}
		size_t length = (size_t)(end - lines->text);
		bool taken = !lines->skipping && length > 0 && length < PORT_LINE;
		if (taken) {
			memcpy(line, lines->text, length);
			line[length] = '\0';
		}
		lines->skipping = false;
		lines->length -= length + 1;
		memmove(lines->text, end + 1, lines->length);
		if (taken)
			return true;
	}
}

bool port_say(int fd, const char *word, const char *text)
{
	char line[PORT_LINE];
	size_t length = strlen(word), more = text != NULL ? strcspn(text, "\n") : 0;
	if (length + more + 2 > sizeof line)
		return false;
	memcpy(line, word, length);
	if (text != NULL) {
		line[length++] = ' ';
		memcpy(line + length, text, more);
		length += more;
	}
	line[length++] = '\n';
	int left_ms = STUCK_MS;
	for (size_t at = 0; at < length;) {
		ssize_t sent = write(fd, line + at, length - at);
		if (sent > 0) {
			at += (size_t)sent;
		} else if (errno == EAGAIN && left_ms > 0) {
			poll(&(struct pollfd){fd, POLLOUT, 0}, 1, 100);
			left_ms -= 100;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}
