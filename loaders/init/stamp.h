#ifndef PORTLAYER_STAMP_H
#define PORTLAYER_STAMP_H

#include <stdio.h>
#include <sys/stat.h>

#define STAMP_BYTES 160

/*
 * Device, inode, size, and the times of content and inode. While it stays the same, nobody has written to the file since:
 * the kernel itself sets the last.
 */
static inline void stamp_write(char text[STAMP_BYTES], const struct stat *about)
{
	snprintf(text, STAMP_BYTES, "%llu:%llu:%lld:%lld.%09ld:%lld.%09ld", (unsigned long long)about->st_dev,
		 (unsigned long long)about->st_ino, (long long)about->st_size, (long long)about->st_mtim.tv_sec,
		 about->st_mtim.tv_nsec, (long long)about->st_ctim.tv_sec, about->st_ctim.tv_nsec);
}

#endif
