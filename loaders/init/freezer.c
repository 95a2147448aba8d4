/* A cgroup's freezer, v1 or v2, and what keeps the tasks in it from a point where they can be dumped. */
#include "freezer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define LOOK_MS 1
/* So long may a child of vfork take to execute something, each time. */
#define LET_GO_MS 2
#define PATH_BYTES 4200

static bool read_small(char *text, size_t size, const char *directory, const char *name)
{
	char path[PATH_BYTES];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, size - 1) : -1;
	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got >= 0;
}

static bool write_small(const char *directory, const char *name, const char *text)
{
	char path[PATH_BYTES];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return written;
}

static bool is_v1(const char *group)
{
	char path[PATH_BYTES];
	snprintf(path, sizeof path, "%s/freezer.state", group);
	return access(path, F_OK) == 0;
}

static bool set(const char *group, bool v1, bool frozen)
{
	return v1 ? write_small(group, "freezer.state", frozen ? "FROZEN" : "THAWED")
		  : write_small(group, "cgroup.freeze", frozen ? "1" : "0");
}

static bool is_frozen(const char *group, bool v1)
{
	char text[256];
	if (v1)
		return read_small(text, sizeof text, group, "freezer.state") && strncmp(text, "FROZEN", 6) == 0;
	return read_small(text, sizeof text, group, "cgroup.events") && strstr(text, "frozen 1") != NULL;
}

typedef bool visitor(int tid, void *context);

/* Visits each thread of the group until one visit says true. */
static bool any_thread(const char *group, bool v1, visitor *visit, void *context)
{
	char path[PATH_BYTES];
	bool found = false;
	int tid;
	snprintf(path, sizeof path, "%s/%s", group, v1 ? "tasks" : "cgroup.threads");
	FILE *tids = fopen(path, "re");
	while (tids != NULL && !found && fscanf(tids, "%d", &tid) == 1)
		found = visit(tid, context);
	if (tids != NULL)
		fclose(tids);
	return found;
}

static void wait_channel(int tid, char *text, size_t size)
{
	char directory[32];
	snprintf(directory, sizeof directory, "/proc/%d", tid);
	if (!read_small(text, size, directory, "wchan"))
		*text = '\0';
}

/* No other wait is in a function of these names: kernel_clone() has the vfork's inlined where it is not named itself. */
static bool waits_for_vfork(int tid, void *context)
{
	char where[128];
	(void)context;
	wait_channel(tid, where, sizeof where);
	return strstr(where, "vfork") != NULL || strcmp(where, "kernel_clone") == 0;
}

static bool report_thread(int tid, void *context)
{
	FILE *report = context;
	char directory[32], stat[512], where[128];
	if (waits_for_vfork(tid, NULL)) {
		fprintf(report, "%d vfork\n", tid);
		return false;
	}
	snprintf(directory, sizeof directory, "/proc/%d", tid);
	if (!read_small(stat, sizeof stat, directory, "stat"))
		return false;
	const char *state = strrchr(stat, ')');
	wait_channel(tid, where, sizeof where);
	/* The group is thawed: what is still in D is what did not stop. */
	if (state != NULL && strncmp(state, ") D", 3) == 0)
		fprintf(report, "%d wait %.60s\n", tid, where[0] != '\0' && where[0] != '0' ? where : "somewhere");
	return false;
}

bool freezer_freeze(const char *group, int64_t limit_ms, FILE *report)
{
	bool v1 = is_v1(group);
	int64_t until = clock_ms() + limit_ms;
	do {
		/* Again each time: the v1 freezer gives up on a task that was about to execute a program. */
		if (!set(group, v1, true) && errno == ENOENT)
			return false;
		if (!is_frozen(group, v1)) {
			poll(NULL, 0, LOOK_MS);
			continue;
		}
		if (!any_thread(group, v1, waits_for_vfork, NULL))
			return true;
		set(group, v1, false);
		poll(NULL, 0, LET_GO_MS);
	} while (clock_ms() < until);
	set(group, v1, false);
	poll(NULL, 0, LET_GO_MS);
	any_thread(group, v1, report_thread, report);
	return false;
}
