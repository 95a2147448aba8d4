/* The first steps of a machine's PID 1: from an initramfs with modules to the root file system on the disk. */
#include "machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mounts.h"

#define DEVICES_MS 10000 /* for ports and disk to show up */
#define COMPRESSED 4     /* MODULE_INIT_COMPRESSED_FILE */

static int wait_open(const char *path, int flags, int *left_ms)
{
	int fd;
	while ((fd = open(path, flags | O_CLOEXEC)) < 0 && *left_ms > 0) {
		poll(NULL, 0, 5);
		*left_ms -= 5;
	}
	return fd;
}

/* In the order of their names, which is the order of their dependencies. */
static void load_modules(void)
{
	struct dirent **entries;
	int count = scandir("/modules", &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		char path[300];
		if (entries[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/modules/%s", entries[i]->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		size_t length = strlen(path);
		bool plain = length > 3 && strcmp(path + length - 3, ".ko") == 0;
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", plain ? 0 : COMPRESSED) != 0 && errno != EEXIST))
			fprintf(stderr, "portlayer-init: module %s: %s\n", path, strerror(errno));
		close(fd);
	}
}

static int find_port(const char *wanted)
{
	DIR *directory = opendir("/sys/class/virtio-ports");
	int found = -1;
	for (struct dirent *entry; directory != NULL && found < 0 && (entry = readdir(directory)) != NULL;) {
		char path[320], name[64] = "";
		snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t got = fd >= 0 ? read(fd, name, sizeof name - 1) : 0;
		close(fd);
		name[got > 0 ? strcspn(name, "\n") : 0] = '\0';
		if (strcmp(name, wanted) != 0)
			continue;
		snprintf(path, sizeof path, "/dev/%s", entry->d_name);
		found = open(path, O_RDWR | O_CLOEXEC);
	}
	if (directory != NULL)
		closedir(directory);
	return found;
}

static int wait_port(const char *name, int *left_ms)
{
	int fd;
	while ((fd = find_port(name)) < 0 && *left_ms > 0) {
		poll(NULL, 0, 5);
		*left_ms -= 5;
	}
	return fd;
}

static const char *mount_root(int *left_ms)
{
	int disk = wait_open("/dev/vda", O_RDONLY, left_ms);
	if (disk < 0)
		return "no disk /dev/vda";
	close(disk);
	mkdir("/new", 0755);
	if (mount("/dev/vda", "/new", "ext4", MS_NOATIME, "") != 0)
		return "the disk is no ext4 file system";
	static const char *const tops[] = {"/new/proc", "/new/sys", "/new/dev", "/new/run", "/new/tmp", "/new/state", "/new/etc"};
	for (size_t i = 0; i < sizeof tops / sizeof tops[0]; i++)
		mkdir(tops[i], strcmp(tops[i], "/new/tmp") == 0 ? 01777 : 0755);
	if (mount("/dev", "/new/dev", NULL, MS_MOVE, NULL) != 0 || mount("/sys", "/new/sys", NULL, MS_MOVE, NULL) != 0 ||
	    mount("/proc", "/new/proc", NULL, MS_MOVE, NULL) != 0 || mount("run", "/new/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") != 0)
		return "cannot mount below the root file system";
	mkdir("/new/run/portlayer", 0755);
	mkdir("/new/run/portlayer/bin", 0755);
	if (!copy_file("/portlayer-init", "/new/run/portlayer/bin/checkpoint"))
		return "cannot put the guest tool in place";
	mkdir("/new/dev/pts", 0755);
	mkdir("/new/dev/shm", 01777);
	mount("devpts", "/new/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=0620,ptmxmode=0666");
	mount("shm", "/new/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
	static const char *const links[][2] = {{"/proc/self/fd", "/new/dev/fd"},
					       {"/proc/self/fd/0", "/new/dev/stdin"},
					       {"/proc/self/fd/1", "/new/dev/stdout"},
					       {"/proc/self/fd/2", "/new/dev/stderr"}};
	for (size_t i = 0; i < 4; i++)
		if (symlink(links[i][0], links[i][1]) != 0 && errno != EEXIST)
			return "cannot make /dev/fd";
	if (chdir("/new") != 0 || mount("/new", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0 || chdir("/") != 0)
		return "cannot change into the root file system";
	return NULL;
}

const char *machine_boot(struct machine_ports *ports)
{
	int left_ms = DEVICES_MS;
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "") != 0 ||
	    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "") != 0 ||
	    (mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755") != 0 && errno != EBUSY))
		return "cannot mount proc, sysfs and devtmpfs";
	load_modules();
	ports->control = wait_port(PORT_CONTROL, &left_ms);
	ports->out = wait_port(PORT_STDOUT, &left_ms);
	ports->err = wait_port(PORT_STDERR, &left_ms);
	if (ports->control < 0 || ports->out < 0 || ports->err < 0)
		return "a serial port to the host is missing";
	return mount_root(&left_ms);
}

bool machine_read_launch(struct machine_launch *launch)
{
	int fd = open("/launch", O_RDONLY | O_CLOEXEC);
	struct stat found;
	if (fd < 0 || fstat(fd, &found) != 0 || found.st_size < 2)
		return false;
	size_t size = (size_t)found.st_size, strings = 0;
	launch->text = malloc(size + 1);
	for (size_t at = 0; at < size;) {
		ssize_t got = read(fd, launch->text + at, size - at);
		if (got <= 0)
			return false;
		at += (size_t)got;
	}
	close(fd);
	launch->text[size] = '\0';
	for (size_t i = 0; i < size; i++)
		strings += launch->text[i] == '\0';
	char **all = calloc(strings + 3, sizeof *all), *text = launch->text;
	long count = strtol(text, NULL, 10);
	if (all == NULL || count < 0 || (size_t)count + 2 > strings)
		return false;
	text += strlen(text) + 1;
	/* Two lists in one array, each with its NULL. */
	for (size_t i = 0; i + 1 < strings; i++, text += strlen(text) + 1)
		all[i < (size_t)count ? i : i + 1] = text;
	launch->environment = all;
	launch->argv = all + count + 1;
	launch->argc = (int)(strings - 1 - (size_t)count);
	return true;
}
