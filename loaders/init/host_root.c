/* The host's own programs as a container's read-only root, for those who bring no container image. */
#include "mounts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Made empty: the container gets its own there, or nothing. */
static const char *const own[] = {"proc", "dev", "run", "tmp", "state"};

static bool is_own(const char *name)
{
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		if (strcmp(name, own[i]) == 0)
			return true;
	return false;
}

static bool bring(const char *name, const char *target)
{
	char source[300], path[4400], aim[4096];
	struct stat found;
	snprintf(source, sizeof source, "/%s", name);
	snprintf(path, sizeof path, "%s/%s", target, name);
	if (lstat(source, &found) != 0)
		return true; /* gone meanwhile */
	if (S_ISLNK(found.st_mode)) {
		ssize_t length = readlink(source, aim, sizeof aim - 1);
		if (length < 0)
			return false;
		aim[length] = '\0';
		return make_link(aim, path);
	}
	/* A file at the top of a host (a swap file, a kernel) is nothing for a container. */
	return !S_ISDIR(found.st_mode) || mount_bind(source, path, true);
}

bool mount_host_root(const char *target)
{
	char path[4400];
	if (!mount_new("tmpfs", target, MS_NODEV, "mode=755,size=1m"))
		return false;
	/* Unbindable, so that the bind of the directory that `target` lies in does not bring it along, into itself. */
	mount(NULL, target, NULL, MS_UNBINDABLE, NULL);
	DIR *root = opendir("/");
	if (root == NULL)
		return false;
	bool brought = true;
	for (struct dirent *entry; brought && (entry = readdir(root)) != NULL;)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !is_own(entry->d_name))
			brought = bring(entry->d_name, target);
	int kept = errno;
	closedir(root);
	for (size_t i = 0; brought && i < sizeof own / sizeof own[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", target, own[i]);
		brought = make_directories(path, strcmp(own[i], "tmp") == 0 ? 01777 : 0755);
		kept = errno;
	}
	errno = kept;
	return brought;
}
