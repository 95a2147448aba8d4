/* The set-up operations, in the order in which they were given. What they mean is here; how, in mounts.c and its neighbours. */
#include "init.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mounts.h"
#include "targets.h"

static bool op_mkdir(char *const *a) { return make_directories(a[0], 0755); }
static bool op_bind(char *const *a) { return mount_bind(a[0], a[1], false); }
static bool op_bind_read_only(char *const *a) { return mount_bind(a[0], a[1], true); }
static bool op_host_root(char *const *a) { return mount_host_root(a[0]); }
static bool op_proc(char *const *a) { return mount_proc(a[0]); }
static bool op_dev(char *const *a) { return mount_dev(a[0]); }
static bool op_overlay(char *const *a) { return mount_overlay(a[0], a[1], a[2], a[3]); }
static bool op_copy_file(char *const *a) { return copy_file(a[0], a[1]); }
static bool op_pivot(char *const *a) { return pivot_to(a[0]); }
static bool op_write(char *const *a) { return write_text(a[0], a[1]); }
static bool op_point(char *const *a) { return make_mount_point(a[0], a[1]); }
static bool op_symlink(char *const *a) { return make_link(a[0], a[1]); }

static bool op_root(char *const *a)
{
	targets_within(a[0]);
	return true;
}

static bool op_tmpfs(char *const *a)
{
	char *end, options[32];
	unsigned long mode = strtoul(a[1], &end, 8);
	if (end == a[1] || *end != '\0' || mode > 07777) {
		errno = EINVAL;
		return false;
	}
	snprintf(options, sizeof options, "mode=%lo", mode);
	return mount_new("tmpfs", a[0], MS_NOSUID | MS_NODEV, options);
}

static bool op_state_owner(char *const *a)
{
	char *end_uid, *end_gid;
	unsigned long uid = strtoul(a[1], &end_uid, 10), gid = strtoul(a[2], &end_gid, 10);
	if (*a[1] == '\0' || *a[2] == '\0' || *end_uid != '\0' || *end_gid != '\0') {
		errno = EINVAL;
		return false;
	}
	return give_to(a[0], (uid_t)uid, (gid_t)gid);
}

static const struct {
	const char *name, *what;
	int arguments;
	bool mounts;
	bool (*run)(char *const *arguments);
} operations[] = {
	{"--root", "root", 1, false, op_root},
	{"--mkdir", "mkdir", 1, false, op_mkdir},
	{"--bind", "mount", 2, true, op_bind},
	{"--bind-ro", "mount", 2, true, op_bind_read_only},
	{"--host-root", "mount", 1, true, op_host_root},
	{"--tmpfs", "mount", 2, true, op_tmpfs},
	{"--proc", "mount", 1, true, op_proc},
	{"--dev", "mount", 1, true, op_dev},
	{"--overlay", "mount", 4, true, op_overlay},
	{"--symlink", "symlink", 2, false, op_symlink},
	{"--write", "write", 2, false, op_write},
	{"--point", "mkdir", 2, false, op_point},
	{"--copy-file", "copy", 2, false, op_copy_file},
	{"--pivot", "pivot", 1, true, op_pivot},
	{"--state-owner", "owner", 3, false, op_state_owner},
};
#define KNOWN (sizeof operations / sizeof operations[0])

static size_t find(const char *name)
{
	size_t i = 0;
	while (i < KNOWN && strcmp(operations[i].name, name) != 0)
		i++;
	return i;
}

int setup_arguments(const char *name)
{
	size_t i = find(name);
	return i < KNOWN ? operations[i].arguments : -1;
}

/* The root that what follows is for: the next one that is pivoted to. After the pivot a path cannot lead out any more. */
static const char *root_from(const struct init_options *options, size_t at)
{
	for (; at < options->operation_count; at++)
		if (strcmp(options->operations[at].name, "--pivot") == 0)
			return options->operations[at].arguments[0];
	return NULL;
}

static bool fail(struct setup_failure *failure, const char *what, const struct operation *operation)
{
	*failure = (struct setup_failure){.what = what, .number = errno};
	int used = snprintf(failure->text, sizeof failure->text, "%s", operation != NULL ? operation->name : "private mounts");
	for (int i = 0; operation != NULL && i < setup_arguments(operation->name) && used < 180; i++)
		used += snprintf(failure->text + used, 200 - (size_t)used, " %.100s", operation->arguments[i]);
	used = used > 199 ? 199 : used;
	snprintf(failure->text + used, sizeof failure->text - (size_t)used, ": %s", strerror(failure->number));
	return false;
}

bool setup_run(const struct init_options *options, struct setup_failure *failure)
{
	bool mounts = false;
	mode_t before = umask(0);
	for (size_t i = 0; i < options->operation_count; i++)
		mounts = mounts || operations[find(options->operations[i].name)].mounts;
	/* First of all: no mount made here may show on the host, and pivot_root refuses shared ones. */
	if (mounts && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return fail(failure, "mount", NULL);
	targets_within(root_from(options, 0));
	for (size_t i = 0; i < options->operation_count; i++) {
		const struct operation *operation = &options->operations[i];
		size_t known = find(operation->name);
		if (!operations[known].run(operation->arguments))
			return fail(failure, operations[known].what, operation);
		if (operations[known].run == op_pivot)
			targets_within(root_from(options, i + 1));
	}
	targets_within(NULL);
	umask(before);
	return true;
}
