#ifndef PORTLAYER_KERNEL_H
#define PORTLAYER_KERNEL_H

#include <stdint.h>
#include <sys/syscall.h>

/*
 * What musl's headers, or an old glibc's, do not have of the kernel's interface. musl-gcc does not see the kernel's own.
 * System call numbers from 424 on are the same on every architecture.
 */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_execveat
#error "execveat is of Linux 3.19; its number is not known here"
#endif
#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_move_mount
#define SYS_move_mount 429
#endif
#ifndef SYS_fsopen
#define SYS_fsopen 430
#endif
#ifndef SYS_fsconfig
#define SYS_fsconfig 431
#endif
#ifndef SYS_fsmount
#define SYS_fsmount 432
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

struct kernel_mount_attr {
	uint64_t attr_set, attr_clr, propagation, userns_fd;
};
#define KERNEL_MOUNT_ATTR_RDONLY 0x1
#define KERNEL_AT_RECURSIVE 0x8000
#define KERNEL_AT_EMPTY_PATH 0x1000
#define KERNEL_OPEN_TREE_CLONE 0x1
#define KERNEL_OPEN_TREE_CLOEXEC O_CLOEXEC
#define KERNEL_MOVE_MOUNT_F_EMPTY_PATH 0x4
#define KERNEL_MOVE_MOUNT_T_SYMLINKS 0x10
#define KERNEL_FSCONFIG_SET_FLAG 0
#define KERNEL_FSCONFIG_SET_STRING 1
#define KERNEL_FSCONFIG_CMD_CREATE 6

struct kernel_open_how {
	uint64_t flags, mode, resolve;
};
#define KERNEL_RESOLVE_NO_MAGICLINKS 0x02
#define KERNEL_RESOLVE_NO_SYMLINKS 0x04
#define KERNEL_RESOLVE_IN_ROOT 0x10

struct kernel_capability_header {
	uint32_t version;
	int pid;
};
struct kernel_capability_data {
	uint32_t effective, permitted, inheritable;
};
#define KERNEL_CAPABILITY_VERSION_3 0x20080522

#endif
