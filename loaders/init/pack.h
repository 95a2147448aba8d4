#ifndef PORTLAYER_PACK_H
#define PORTLAYER_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* Ends the process where there is no memory. */
void *pack_must(void *memory);
/* Says what failed, with errno's reason. False, always. */
bool pack_fail(const char *what, const char *path);

bool pack_begin(const char *path);
bool pack_end(const char *path);
bool pack_put(const void *bytes, size_t length);
/* A hole. */
bool pack_skip(uint64_t length);
/* Up to whole blocks of tar. */
uint64_t pack_padded(uint64_t length);
/*
 * One entry's headers. `through` is a path under which its extended attributes are read. Of a regular file with content
 * the next byte is the first of a page.
 */
bool pack_entry(const char *path, char type, uint64_t size, const struct stat *of, const char *target,
		const char *through);

#endif
