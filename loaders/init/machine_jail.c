/*
 * Where QEMU runs as another user: what it sees of the host. Of the port layer's own directory only what is its own, the
 * layers its disk stands on and, for a copy, its image; of processes only itself, so that the one capability it may keep
 * (CAP_SYS_PTRACE, for userfaultfd) reaches nobody else.
 */
#include "machine_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mounts.h"

bool machine_own(const char *directory, long long uid, long long gid)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fchown(fd, (uid_t)uid, (gid_t)gid) != 0)
		return false;
	DIR *entries = fdopendir(fd);
	for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    fchownat(fd, entry->d_name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW) != 0)
			return false;
	if (entries != NULL)
		closedir(entries);
	return entries != NULL;
}

/*
 * The image's memory. Its directory stays closed to every user: a machine gets this one file, by a mount that only it
 * sees, and all of them read it by their group. Where it is to be mounted on, an empty file is made.
 */
static int open_memory(const struct machine_options *options)
{
	int point = open(options->memory_at, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int memory = open(options->memory, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (point >= 0)
		close(point);
	if (point >= 0 && memory >= 0 && fchown(memory, (uid_t)-1, (gid_t)options->gid) == 0 && fchmod(memory, 0660) == 0)
		return memory;
	if (memory >= 0)
		close(memory);
	return -1;
}

bool machine_jail(const struct machine_options *options)
{
	int shown[SHOWN_MAX], memory = -1;
	char from[64];
	umask(022);
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
		return false;
	if (options->hide == NULL)
		return true;
	for (int i = 0; i < options->shown; i++)
		if ((shown[i] = open(options->show[i], O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
			return false;
	if (options->memory != NULL && (memory = open_memory(options)) < 0)
		return false;
	if (mount("tmpfs", options->hide, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=1m") != 0)
		return false;
	for (int i = 0; i < options->shown; i++) {
		snprintf(from, sizeof from, "/proc/self/fd/%d", shown[i]);
		if (!make_directories(options->show[i], 0755) || mount(from, options->show[i], NULL, MS_BIND, NULL) != 0)
			return false;
		close(shown[i]);
	}
	if (memory < 0)
		return true;
	snprintf(from, sizeof from, "/proc/self/fd/%d", memory);
	bool mounted = mount(from, options->memory_at, NULL, MS_BIND, NULL) == 0;
	close(memory);
	return mounted;
}
