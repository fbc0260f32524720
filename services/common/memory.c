/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * memory.c - how much memory a service has, and giving back what it needs not
 *
 * Starting runs through much of libc, NSS, libseccomp and libsystemd that
 * serving never touches again; the kernel maps their code generously and never
 * takes it back while there is memory. Code is clean and comes again from the
 * page cache when it runs: so it is let go once. Only code: read-only data of
 * a library may have been relocated, and would come back as it was before.
 */
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "services/common/memory.h"

#define MAPS_BYTES 32768

void memory_open(struct memory *m)
{
	m->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	m->maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
}

uint64_t memory_resident_kib(const struct memory *m)
{
	unsigned long all, resident;
	char text[128];
	ssize_t bytes = pread(m->statm, text, sizeof(text) - 1, 0);

	if (bytes <= 0)
		return 0;
	text[bytes] = 0;
	/* its second number is pages */
	if (sscanf(text, "%lu %lu", &all, &resident) != 2)
		return 0;
	return (uint64_t)resident * ((uint64_t)sysconf(_SC_PAGESIZE) / 1024);
}

/* "FROM-TO r-xp ... /PATH": code of a file, that nobody can have written to */
static void let_go(const char *line)
{
	unsigned long from, to;
	char rights[5];

	if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) == 3 &&
	    strcmp(rights, "r-xp") == 0 && strchr(line, '/'))
		madvise((void *)from, to - from, MADV_DONTNEED);
}

void memory_trim(struct memory *m)
{
	char text[MAPS_BYTES], *line = text, *end;
	size_t used = 0;
	ssize_t bytes = 1;

	malloc_trim(0);
	if (m->maps < 0)
		return;
	while (bytes > 0 && used < sizeof(text) - 1) {
		bytes = read(m->maps, text + used, sizeof(text) - 1 - used);
		if (bytes > 0)
			used += (size_t)bytes;
	}
	close(m->maps);
	m->maps = -1;
	text[used] = 0;
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		let_go(line);
	}
}
