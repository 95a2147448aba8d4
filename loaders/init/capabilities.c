/* What is left to a task of root's powers: docker's default fourteen. */
#include "init.h"

#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kernel.h"

/* By number, from capabilities(7): the kernel's header is not at hand everywhere. */
static const int kept[] = {
	0,  /* CHOWN */
	1,  /* DAC_OVERRIDE */
	3,  /* FOWNER */
	4,  /* FSETID */
	5,  /* KILL */
	6,  /* SETGID */
	7,  /* SETUID */
	8,  /* SETPCAP */
	10, /* NET_BIND_SERVICE */
	13, /* NET_RAW */
	18, /* SYS_CHROOT */
	27, /* MKNOD */
	29, /* AUDIT_WRITE */
	31, /* SETFCAP */
};

static uint64_t kept_mask(void)
{
	uint64_t mask = 0;
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		mask |= 1ULL << kept[i];
	return mask;
}

bool capabilities_bound(void)
{
	uint64_t mask = kept_mask();
	for (int capability = 0; capability < 64; capability++) {
		int held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
		if (held < 0)
			break; /* the kernel knows no more of them */
		if (held == 0 || (mask & (1ULL << capability)) != 0)
			continue;
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0)
			continue;
		/* Without SETPCAP there is no root's power to bound: no new privileges sees to the rest. */
		return errno == EPERM && geteuid() != 0;
	}
	return true;
}

bool capabilities_drop(void)
{
	struct kernel_capability_header header = {KERNEL_CAPABILITY_VERSION_3, 0};
	struct kernel_capability_data data[2];
	uint64_t mask = kept_mask();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_capget, &header, data) != 0)
		return false;
	for (int half = 0; half < 2; half++) {
		uint32_t part = (uint32_t)(mask >> (32 * half));
		data[half].effective &= part;
		data[half].permitted &= part;
		data[half].inheritable &= part;
	}
	return syscall(SYS_capset, &header, data) == 0;
}
