/* Whether a task can be run with a library preloaded, seen as the container sees it: its program, its libc, its libraries. */
#include "init.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define INTERPRETERS_MAX 4 /* a script of a script of … */
#define HEAD_BYTES 4096

/* Where the dynamic linker looks by itself, on Debian, Fedora and their kin. */
static const char *const usual[] = {
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
	"/lib64", "/usr/lib64", "/lib", "/usr/lib",
};

static bool refuse(char *why, size_t size, const char *program, const char *what)
{
	snprintf(why, size, "%.80s %s", program, what);
	return false;
}

/* The path of a command, as execvp() finds it; false where it finds none. */
static bool find_program(const char *name, char *path, size_t size)
{
	if (strchr(name, '/') != NULL) {
		snprintf(path, size, "%s", name);
		return access(path, X_OK) == 0;
	}
	const char *place = getenv("PATH");
	for (place = place != NULL ? place : "/usr/bin:/bin"; *place != '\0'; place += *place == ':') {
		size_t length = strcspn(place, ":");
		snprintf(path, size, "%.*s/%s", (int)length, place, name);
		if (access(path, X_OK) == 0)
			return true;
		place += length;
	}
	return false;
}

/* Of a script's first line, what runs it: with `/usr/bin/env NAME`, NAME. */
static void interpreter_of(char *head, char *name, size_t size)
{
	head[strcspn(head, "\n")] = '\0';
	char *first = strtok(head + 2, " \t"), *second = strtok(NULL, " \t");
	const char *base = first != NULL && strrchr(first, '/') != NULL ? strrchr(first, '/') + 1 : "";
	bool env = strcmp(base, "env") == 0 && second != NULL && second[0] != '-';
	snprintf(name, size, "%s", env ? second : first != NULL ? first : "");
}

static bool elf_fits(int fd, const Elf64_Ehdr *elf, const char *path, char *why, size_t size)
{
	char interpreter[256] = "";
	if (elf->e_ident[EI_CLASS] != ELFCLASS64)
		return refuse(why, size, path, "is not a 64-bit program: DMTCP was built for those");
	for (int i = 0; i < elf->e_phnum && i < 128; i++) {
		Elf64_Phdr part;
		if (pread(fd, &part, sizeof part, (off_t)(elf->e_phoff + (size_t)i * elf->e_phentsize)) != sizeof part)
			break;
		if (part.p_type != PT_INTERP)
			continue;
		ssize_t got = pread(fd, interpreter, sizeof interpreter - 1, (off_t)part.p_offset);
		interpreter[got > 0 ? got : 0] = '\0';
	}
	if (interpreter[0] == '\0')
		return refuse(why, size, path, "is statically linked: DMTCP can only be preloaded into dynamic programs; use the loader init");
	if (strstr(interpreter, "musl") != NULL)
		return refuse(why, size, path, "is linked with musl: DMTCP needs glibc; use the loader init");
	if (access(interpreter, X_OK) != 0)
		return refuse(why, size, path, "needs a dynamic linker that the container does not have");
	return true;
}

static bool program_fits(const char *name, char *why, size_t size)
{
	char path[4096], next[256];
	snprintf(next, sizeof next, "%s", name);
	for (int depth = 0; depth < INTERPRETERS_MAX; depth++) {
		static char head[HEAD_BYTES + 1];
		struct stat about;
		if (!find_program(next, path, sizeof path))
			return refuse(why, size, next, "is not there, or cannot be executed");
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		/* One that may be executed and not read is left to the kernel. */
		if (fd < 0)
			return true;
		ssize_t got = read(fd, head, HEAD_BYTES);
		head[got > 0 ? got : 0] = '\0';
		bool script = got > 2 && memcmp(head, "#!", 2) == 0;
		bool elf = got >= (ssize_t)sizeof(Elf64_Ehdr) && memcmp(head, ELFMAG, SELFMAG) == 0, fits = true;
		if (fstat(fd, &about) == 0 && elf && (about.st_mode & (S_ISUID | S_ISGID)) != 0)
			fits = refuse(why, size, path, "is set-user-id or set-group-id: nothing can be preloaded into it");
		else if (elf)
			fits = elf_fits(fd, (const Elf64_Ehdr *)head, path, why, size);
		close(fd);
		if (!script)
			return fits;
		interpreter_of(head, next, sizeof next);
	}
	return true;
}

static bool find_library(const char *name, char *path, size_t size)
{
	for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
		snprintf(path, size, "%s/%s", usual[i], name);
		if (access(path, R_OK) == 0)
			return true;
	}
	return false;
}

/* The names of its symbols' versions stand in libc as texts of their own. */
static bool libc_has(const char *path, const char *version)
{
	char text[40];
	struct stat about;
	int length = snprintf(text, sizeof text, "%cGLIBC_%s", '\0', version), fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &about) != 0 || about.st_size <= 0)
		return false;
	void *bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED)
		return false;
	/* With both of its ends, so that 2.3 is not found in 2.34. */
	bool found = memmem(bytes, (size_t)about.st_size, text, (size_t)length + 1) != NULL;
	munmap(bytes, (size_t)about.st_size);
	return found;
}

bool task_needs_met(const struct task_needs *needs, char *why, size_t why_size)
{
	char path[512], found[4096] = "";
	if (needs->program != NULL && !program_fits(needs->program, why, why_size))
		return false;
	if (needs->glibc != NULL) {
		if (!find_library("libc.so.6", path, sizeof path))
			return refuse(why, why_size, "the container", "has no glibc (libc.so.6), which DMTCP needs; use the loader init");
		if (!libc_has(path, needs->glibc)) {
			snprintf(why, why_size, "the container's glibc is too old: DMTCP was built with one that has GLIBC_%s, %.80s has not", needs->glibc, path);
			return false;
		}
	}
	const char *before = getenv("LD_LIBRARY_PATH");
	if (before != NULL)
		snprintf(found, sizeof found, "%s", before);
	for (size_t i = 0; i < needs->library_count; i++) {
		size_t used = strlen(found);
		if (!find_library(needs->libraries[i].name, path, sizeof path))
			snprintf(found + used, sizeof found - used, "%s%s", used > 0 ? ":" : "", needs->libraries[i].directory);
	}
	if (found[0] != '\0')
		setenv("LD_LIBRARY_PATH", found, 1);
	return true;
}
