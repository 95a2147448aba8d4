/*
 * Preloaded into CRIU for a dump where the service's root lacks CAP_SYS_RESOURCE: the kernel lets nobody else read the
 * limits of another user's process by prlimit(2), but shows them to everybody in /proc/PID/limits. CRIU asks by
 * syscall(2), so that is where it is answered; all else goes to the C library's own. Linked with no library: what
 * it calls is found in the program's, whichever C library that is. (seccomp's user notification would do without
 * this, but the kernel forbids PTRACE_O_SUSPEND_SECCOMP to a tracer that has a filter, and CRIU needs it.)
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The names in /proc/PID/limits, by the numbers of getrlimit(2). */
static const char names[][24] = {
	[RLIMIT_CPU] = "Max cpu time",
	[RLIMIT_FSIZE] = "Max file size",
	[RLIMIT_DATA] = "Max data size",
	[RLIMIT_STACK] = "Max stack size",
	[RLIMIT_CORE] = "Max core file size",
	[RLIMIT_RSS] = "Max resident set",
	[RLIMIT_NPROC] = "Max processes",
	[RLIMIT_NOFILE] = "Max open files",
	[RLIMIT_MEMLOCK] = "Max locked memory",
	[RLIMIT_AS] = "Max address space",
	[RLIMIT_LOCKS] = "Max file locks",
	[RLIMIT_SIGPENDING] = "Max pending signals",
	[RLIMIT_MSGQUEUE] = "Max msgqueue size",
	[RLIMIT_NICE] = "Max nice priority",
	[RLIMIT_RTPRIO] = "Max realtime priority",
	[RLIMIT_RTTIME] = "Max realtime timeout",
};
#define KNOWN (sizeof names / sizeof names[0])

/* `unlimited` or a number; `at` is left behind it. */
static uint64_t value(const char **at)
{
	while (**at == ' ')
		++*at;
	if (strncmp(*at, "unlimited", 9) == 0) {
		*at += 9;
		return UINT64_MAX;
	}
	char *end;
	uint64_t number = strtoull(*at, &end, 10);
	*at = end;
	return number;
}

static bool read_limit(pid_t pid, unsigned long which, uint64_t limit[2])
{
	char text[4096], path[40];
	if (which >= KNOWN || names[which][0] == '\0')
		return false;
	snprintf(path, sizeof path, "/proc/%d/limits", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	const char *at = strstr(text, names[which]);
	if (at == NULL)
		return false;
	at += strlen(names[which]);
	limit[0] = value(&at);
	limit[1] = value(&at);
	return true;
}

long syscall(long number, ...)
{
	static long (*real)(long, ...);
	long a[6];
	va_list arguments;
	va_start(arguments, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(arguments, long);
	va_end(arguments);
	if (real == NULL)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long result = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	/* A question (no new limit) that only the lack of the capability refused. */
	if (number != SYS_prlimit64 || result != -1 || errno != EPERM || a[2] != 0 || a[3] == 0)
		return result;
	if (read_limit((pid_t)a[0], (unsigned long)a[1], (uint64_t *)a[3]))
		return 0;
	errno = EPERM;
	return -1;
}
