/*
 * This program's own file. Whoever is inside a container and can name it (a task whose command is a link to
 * /proc/self/exe) could open it, wait for its end and write to it, and would so write a program that root executes on
 * the host. So it executes itself once more through a read-only mount of its own file, which lies in no mount
 * namespace and that nobody inside can make writable.
 */
#include "init.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "kernel.h"

void self_protect(char *const *argv)
{
	struct statvfs found;
	struct kernel_mount_attr attributes = {.attr_set = KERNEL_MOUNT_ATTR_RDONLY};
	/* Done already, or brought read-only as a container's image is. */
	if (geteuid() != 0 || statvfs("/proc/self/exe", &found) != 0 || (found.f_flag & ST_RDONLY) != 0)
		return;
	int file = (int)syscall(SYS_open_tree, AT_FDCWD, "/proc/self/exe", KERNEL_OPEN_TREE_CLONE | KERNEL_OPEN_TREE_CLOEXEC);
	/* Without the right to mount, or before Linux 5.12, it stays as it is: with less right inside, too. */
	if (file < 0)
		return;
	if (syscall(SYS_mount_setattr, file, "", KERNEL_AT_EMPTY_PATH, &attributes, sizeof attributes) == 0)
		syscall(SYS_execveat, file, "", argv, environ, KERNEL_AT_EMPTY_PATH);
	close(file);
}
