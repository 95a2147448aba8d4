/* The descendants of a process, from /proc, with no allocation: for hosts where no pid namespace holds them together. */
#include "process_tree.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PIDS_MAX 4194304 /* the kernel's PID_MAX_LIMIT on 64 bits */

/* One bit for each pid: half a megabyte of address space, of which only the touched pages exist. */
static uint8_t known[PIDS_MAX / 8];

struct directory_entry {
	uint64_t inode;
	int64_t offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

static bool is_known(pid_t pid)
{
	return pid > 0 && pid < PIDS_MAX && (known[pid / 8] & (1 << (pid % 8))) != 0;
}

/* Reads state and parent of one process; false where it is gone. */
static bool read_stat(int proc, const char *name, char *state, pid_t *parent)
{
	char path[32], text[512];
	snprintf(path, sizeof path, "%.20s/stat", name);
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t got = read(fd, text, sizeof text - 1);
	close(fd);
	if (got <= 0)
		return false;
	text[got] = '\0';
	/* The name in parentheses may hold anything, so what follows is looked for from the end. */
	char *after = strrchr(text, ')');
	return after != NULL && sscanf(after + 1, " %c %d", state, parent) == 2;
}

/* One pass over /proc; true where it found descendants that were not known. */
static bool scan(int proc, process_visitor *visitor, void *context)
{
	static _Alignas(8) char buffer[32768];
	bool found = false;
	long got;
	lseek(proc, 0, SEEK_SET);
	while ((got = syscall(SYS_getdents64, proc, buffer, sizeof buffer)) > 0) {
		for (long at = 0; at < got;) {
			struct directory_entry *entry = (void *)(buffer + at);
			at += entry->length;
			pid_t pid = atoi(entry->name), parent;
			char state;
			if (pid <= 0 || pid >= PIDS_MAX || is_known(pid) || !read_stat(proc, entry->name, &state, &parent))
				continue;
			if (!is_known(parent))
				continue;
			known[pid / 8] |= (uint8_t)(1 << (pid % 8));
			found = true;
			visitor(pid, state, context);
		}
	}
	return found;
}

void process_tree_visit(pid_t root, process_visitor *visitor, void *context)
{
	if (root <= 0 || root >= PIDS_MAX)
		return;
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return;
	memset(known, 0, sizeof known);
	known[root / 8] |= (uint8_t)(1 << (root % 8));
	/* Children mostly have higher pids than their parents, so one or two passes see all. */
	while (scan(proc, visitor, context))
		;
	close(proc);
}

static void kill_one(pid_t pid, char state, void *context)
{
	if (state == 'Z' || state == 'X')
		return;
	kill(pid, SIGKILL);
	++*(int *)context;
}

int process_tree_kill(pid_t root)
{
	int alive = 0;
	process_tree_visit(root, kill_one, &alive);
	return alive;
}

static void count_running(pid_t pid, char state, void *context)
{
	(void)pid;
	if (strchr("TtZX", state) == NULL)
		++*(int *)context;
}

int process_tree_running(pid_t root)
{
	int running = 0;
	process_tree_visit(root, count_running, &running);
	return running;
}
