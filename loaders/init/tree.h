#ifndef PORTLAYER_TREE_H
#define PORTLAYER_TREE_H

#include <stddef.h>
#include <sys/stat.h>

#include "sha256.h"

/* Ends the process with the name of errno on standard error. */
_Noreturn void tree_fail(const char *where);
char **tree_names(int directory, const char *where, size_t *count);
void tree_free(char **names, size_t count);
/* Prints `DIGEST BYTES ENTRIES`. */
void tree_digest(const char *path);
/* Prints `DIGEST`. */
void tree_content(const char *path);
void tree_add_json(struct sha256 *sum, const char *text);

#endif
