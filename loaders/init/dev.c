/* A container's /dev: the harmless devices, bound from the host's so that no right to make nodes is needed. */
#include "mounts.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};

static const char *const links[][2] = {
	{"/proc/self/fd", "fd"},
	{"/proc/self/fd/0", "stdin"},
	{"/proc/self/fd/1", "stdout"},
	{"/proc/self/fd/2", "stderr"},
};

/* Terminals of its own, where they are to be had. */
static void mount_terminals(const char *directory)
{
	char path[4200];
	snprintf(path, sizeof path, "%s/pts", directory);
	/* Group 5 is `tty` by custom, but not every user namespace has it. */
	if (!mount_new("devpts", path, MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5") &&
	    !mount_new("devpts", path, MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"))
		return;
	snprintf(path, sizeof path, "%s/ptmx", directory);
	if (!make_link("pts/ptmx", path))
		return; /* no terminals, then */
}

bool mount_dev(const char *directory)
{
	char path[4200], source[32];
	if (!mount_new("tmpfs", directory, MS_NOSUID | MS_STRICTATIME, "mode=755,size=64k"))
		return false;
	for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
		snprintf(source, sizeof source, "/dev/%s", nodes[i]);
		snprintf(path, sizeof path, "%s/%s", directory, nodes[i]);
		/* A host that is itself a container may lack some; null is the one that everything needs. */
		if (!mount_bind(source, path, false) && strcmp(nodes[i], "null") == 0)
			return false;
	}
	for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", directory, links[i][1]);
		if (!make_link(links[i][0], path))
			return false;
	}
	snprintf(path, sizeof path, "%s/shm", directory);
	if (!mount_new("tmpfs", path, MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=64m"))
		return false;
	mount_terminals(directory);
	return true;
}
