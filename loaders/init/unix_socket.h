#ifndef PORTLAYER_UNIX_SOCKET_H
#define PORTLAYER_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

/* Makes a listening stream socket at `path`, in place of an old one; non-blocking, close-on-exec. -1 and errno. */
int unix_listen(const char *path, mode_t mode, int backlog);

/* Connects to `path`; close-on-exec. Non-blocking where asked (EAGAIN: the other's queue is full). -1 and errno. */
int unix_connect(const char *path, bool non_blocking);

/* The pid of the process that connected, as this process's pid namespace numbers it; 0 where it is not visible. */
pid_t unix_peer_pid(int fd);

#endif
