#ifndef PORTLAYER_FOLD_H
#define PORTLAYER_FOLD_H

#include <stdbool.h>
#include <sys/stat.h>

/* Parts of `portlayer-init fold`. Each returns false with errno set, and the place in fold_place(). */

/* Remembers where it went wrong, for the message; the innermost name counts. Returns false. */
bool fold_fail(const char *name);
const char *fold_place(void);
void fold_forget_place(void);

/* Removes `name` in `directory` with all below it; no error where nothing is there. */
bool fold_remove(int directory, const char *name);

/* --- fold_copy.c --- */

/* The same file under a second name, or where the file system cannot, a copy of it with all its attributes. */
bool fold_link(int from, int to, const char *name, const struct stat *found);
/* Owner, mode, times and extended attributes of a directory, but overlayfs's mark of an opaque one. */
bool fold_directory_attributes(int from, int to, const struct stat *found);

/* Overlayfs's marks of a directory. */
bool fold_is_opaque(int directory);
bool fold_mark_opaque(int directory);
/* Attributes by which overlayfs would look for content elsewhere: such a layer cannot be folded. */
bool fold_has_redirect(int fd);

#endif
