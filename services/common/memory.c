/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * memory.c - how much memory a service has, and giving back what it needs not
 *
 * Starting runs through much of libc, NSS, libseccomp and libsystemd that
 * serving never touches again; the kernel maps their code generously and never
 * takes it back while there is memory. The dynamic linker has read through
 * every library's tables. What of that is clean comes again from the page
 * cache when it is needed: so it is let go once. Not what was relocated: it
 * would come back as it was before.
 */
#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "services/common/memory.h"

void memory_open(struct memory *m)
{
	m->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	m->maps = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
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

/**
 * struct mapping - a part of smaps
 * @from: first byte
 * @to:   behind the last
 * @file: of a file, and read-only
 */
struct mapping {
	unsigned long from;
	unsigned long to;
	bool file;
};

/* "FROM-TO r-xp ... /PATH", then lines with its figures */
static void look_at(struct mapping *m, const char *line)
{
	unsigned long kib;
	char rights[5];

	if (sscanf(line, "%lx-%lx %4s", &m->from, &m->to, rights) == 3) {
		m->file = strncmp(rights, "r-", 2) == 0 && strchr(line, '/');
	} else if (sscanf(line, "Private_Dirty: %lu kB", &kib) == 1) {
		if (m->file && !kib)
			madvise((void *)m->from, m->to - m->from,
				MADV_DONTNEED);
		m->file = false;
	}
}

void memory_trim(struct memory *m)
{
	FILE *f = m->maps < 0 ? NULL : fdopen(m->maps, "r");
	struct mapping mapping = { 0, 0, false };
	char line[512];

	malloc_trim(0);
	while (f && fgets(line, sizeof(line), f))
		look_at(&mapping, line);
	if (f)
		fclose(f);
	m->maps = -1;
}
