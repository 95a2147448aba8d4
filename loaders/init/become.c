/* What a process takes on before it becomes the task, or a command beside it. */
#include "init.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

void environment_take(const char *prefix)
{
	size_t length = strlen(prefix), kept = 0;
	for (size_t i = 0; environ[i] != NULL; i++)
		if (strncmp(environ[i], prefix, length) == 0)
			environ[kept++] = environ[i] + length;
	environ[kept] = NULL;
}

/* An unprivileged user namespace forbids setgroups(), and then there are no groups to give up. */
static bool clear_groups(gid_t gid)
{
	return setgroups(1, &gid) == 0 || errno == EPERM;
}

const char *credentials_take(const struct init_options *options)
{
	uid_t uid = (uid_t)options->uid;
	gid_t gid = options->gid >= 0 ? (gid_t)options->gid : getgid();
	if ((options->gid >= 0 || options->uid >= 0) && (!clear_groups(gid) || setresgid(gid, gid, gid) != 0))
		return "cannot set the group";
	if (options->drop_capabilities && !capabilities_bound())
		return "cannot bound the capabilities";
	if (options->uid >= 0 && setresuid(uid, uid, uid) != 0)
		return "cannot set the user";
	if (options->drop_capabilities && !capabilities_drop())
		return "cannot drop capabilities";
	/* Until it is the task, it runs a program of the host's: other tasks must not get at that through /proc. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return NULL;
}
