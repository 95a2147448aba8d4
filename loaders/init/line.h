#ifndef PORTLAYER_LINE_H
#define PORTLAYER_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* Lines of the relay protocol: `WORD key=value ...\n`, values percent-encoded. All sizes are fixed. */

#define LINE_BYTES 1024  /* the longest line, with its end */
#define GUEST_BYTES 1000 /* the longest line on relay.sock: with `GUEST ` before it, it is still a line */
#define LINE_FIELDS 64   /* the most keys in one line */

/* A decoded line. The pointers point into `text`: do not copy the struct. */
struct line {
	char text[LINE_BYTES];
	const char *word;
	size_t count;
	struct {
		const char *key;
		const char *value; /* decoded; holds no NUL */
	} fields[LINE_FIELDS];
};

/* A line being written. */
struct line_writer {
	char text[LINE_BYTES];
	size_t length;
	bool overflow;
};

/* Decodes `length` bytes, without the line end. False where they are not of the protocol's form. */
bool line_decode(struct line *line, const char *bytes, size_t length);

/* The value of a key, or NULL. */
const char *line_value(const struct line *line, const char *key);

/* Reads a decimal value within [low, high]; false where it is absent or anything else. */
bool line_number(const struct line *line, const char *key, long long low, long long high, long long *number);

/* `[a-z][a-z0-9.-]{0,62}` */
bool line_key_valid(const char *key, size_t length);

/* A mechanism's name: `[a-z][a-z0-9-]{0,31}`, or `any`. */
bool line_mechanism_valid(const char *name);

void line_begin(struct line_writer *writer, const char *word);
void line_add(struct line_writer *writer, const char *key, const char *value);
void line_add_number(struct line_writer *writer, const char *key, long long number);

/* Ends the line. False, and `length` 0, where it would be longer than `limit` bytes. */
bool line_end(struct line_writer *writer, size_t limit);

#endif
