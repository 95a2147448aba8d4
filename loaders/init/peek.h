#ifndef PORTLAYER_PEEK_H
#define PORTLAYER_PEEK_H

/* Opens a path below a root (`/proc/PID/root` of a container's process) without following any link. -1 and errno. */
int peek_open(const char *root, const char *path, int flags);

#endif
