/*
 * Encoding and decoding of protocol lines. Everything a guest, an asker or the service says passes through
 * line_decode() before anything looks at it; fuzz/line_fuzz.c holds it against hostile bytes.
 */
#include "line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_plain(unsigned char byte)
{
	return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
	       (byte != '\0' && strchr("_.:/@+-", byte) != NULL);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool line_key_valid(const char *key, size_t length)
{
	if (length < 1 || length > 63 || key[0] < 'a' || key[0] > 'z')
		return false;
	for (size_t i = 1; i < length; i++) {
		char c = key[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-'))
			return false;
	}
	return true;
}

bool line_mechanism_valid(const char *name)
{
	size_t length = strlen(name);
	return length <= 32 && line_key_valid(name, length) && strchr(name, '.') == NULL;
}

/* Decodes the value in place, up to a space or the end of the text. NULL where it is malformed, else what follows it. */
static char *decode_value(char *from)
{
	char *to = from;
	for (; *from != '\0' && *from != ' '; from++) {
		if (is_plain((unsigned char)*from)) {
			*to++ = *from;
			continue;
		}
		if (*from != '%')
			return NULL;
		int high = hex_digit(from[1]);
		int low = high < 0 ? -1 : hex_digit(from[2]);
		/* %00 is refused: a value goes on as a C string, and must not say two things. */
		if (low < 0 || (high == 0 && low == 0))
			return NULL;
		*to++ = (char)(high * 16 + low);
		from += 2;
	}
	char *rest = *from == ' ' ? from + 1 : from;
	bool more = *from == ' ';
	*to = '\0';
	/* A space with nothing behind it is not of the form. */
	return more && *rest == '\0' ? NULL : rest;
}

static bool decode_field(struct line *line, char **rest)
{
	char *key = *rest;
	char *equals = strchr(key, '=');
	if (equals == NULL || line->count == LINE_FIELDS || !line_key_valid(key, (size_t)(equals - key)))
		return false;
	*equals = '\0';
	/* A key said twice could be read in two ways by two readers. */
	if (line_value(line, key) != NULL)
		return false;
	*rest = decode_value(equals + 1);
	if (*rest == NULL)
		return false;
	line->fields[line->count].key = key;
	line->fields[line->count].value = equals + 1;
	line->count++;
	return true;
}

bool line_decode(struct line *line, const char *bytes, size_t length)
{
	line->word = line->text;
	line->count = 0;
	if (length == 0 || length >= LINE_BYTES || memchr(bytes, '\0', length) != NULL)
		return false;
	memcpy(line->text, bytes, length);
	line->text[length] = '\0';

	char *rest = line->text;
	while (*rest >= 'A' && *rest <= 'Z')
		rest++;
	if (rest == line->text || (*rest != ' ' && *rest != '\0'))
		return false;
	if (*rest == '\0')
		return true;
	*rest++ = '\0';
	do {
		if (!decode_field(line, &rest))
			return false;
	} while (*rest != '\0');
	return true;
}

const char *line_value(const struct line *line, const char *key)
{
	for (size_t i = 0; i < line->count; i++)
		if (strcmp(line->fields[i].key, key) == 0)
			return line->fields[i].value;
	return NULL;
}

bool line_number(const struct line *line, const char *key, long long low, long long high, long long *number)
{
	const char *value = line_value(line, key);
	/* 18 digits cannot overflow, so errno need not be asked. */
	if (value == NULL || value[0] == '\0' || strlen(value) > 18)
		return false;
	const char *digits = value[0] == '-' ? value + 1 : value;
	if (digits[0] == '\0' || strspn(digits, "0123456789") != strlen(digits))
		return false;
	long long found = strtoll(value, NULL, 10);
	if (found < low || found > high)
		return false;
	*number = found;
	return true;
}

static void put(struct line_writer *writer, char c)
{
	/* The last byte is kept for the line end. */
	if (writer->length >= LINE_BYTES - 1)
		writer->overflow = true;
	else
		writer->text[writer->length++] = c;
}

static void put_text(struct line_writer *writer, const char *text)
{
	for (; *text != '\0'; text++)
		put(writer, *text);
}

void line_begin(struct line_writer *writer, const char *word)
{
	writer->length = 0;
	writer->overflow = false;
	put_text(writer, word);
}

void line_add(struct line_writer *writer, const char *key, const char *value)
{
	static const char hex[] = "0123456789ABCDEF";
	put(writer, ' ');
	put_text(writer, key);
	put(writer, '=');
	for (; *value != '\0'; value++) {
		unsigned char byte = (unsigned char)*value;
		if (is_plain(byte)) {
			put(writer, (char)byte);
			continue;
		}
		put(writer, '%');
		put(writer, hex[byte >> 4]);
		put(writer, hex[byte & 15]);
	}
}

void line_add_number(struct line_writer *writer, const char *key, long long number)
{
	char digits[24];
	snprintf(digits, sizeof digits, "%lld", number);
	line_add(writer, key, digits);
}

bool line_end(struct line_writer *writer, size_t limit)
{
	if (writer->overflow || writer->length + 1 > limit) {
		writer->length = 0;
		return false;
	}
	writer->text[writer->length++] = '\n';
	return true;
}
