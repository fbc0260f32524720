/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * page.h - the page that a person looks at, compiled in
 */
#ifndef MONITOR_PAGE_H
#define MONITOR_PAGE_H

#include <stddef.h>

/**
 * struct page_file - a file of the page
 * @path:  in a request
 * @type:  Content-Type
 * @begin: first byte
 * @end:   behind the last byte
 */
struct page_file {
	const char *path;
	const char *type;
	const char *begin;
	const char *end;
};

/* Return: the file at @path, or NULL */
const struct page_file *page_find(const char *path);

#endif
