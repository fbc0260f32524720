// SPDX-License-Identifier: GPL-2.0-only
/*
 * page.c - the page that a person looks at, compiled in
 *
 * The assembler takes the files of services/monitor/page/ as they are, so
 * they can be edited, linted and opened like any others.
 */
#include <string.h>

#include "services/monitor/page.h"

#define FILE_IN(name, path)                                    \
	__asm__(".pushsection .rodata\n"                       \
		"page_" #name "_begin:\n"                      \
		".incbin \"services/monitor/page/" path "\"\n" \
		"page_" #name "_end:\n"                        \
		".popsection\n");                              \
	extern const char page_##name##_begin[];               \
	extern const char page_##name##_end[]

FILE_IN(html, "index.html");
FILE_IN(css, "page.css");
FILE_IN(js, "page.js");
FILE_IN(icon, "icon.svg");

static const struct page_file files[] = {
	{ "/", "text/html; charset=utf-8", page_html_begin, page_html_end },
	{ "/page.css", "text/css; charset=utf-8", page_css_begin,
	  page_css_end },
	{ "/page.js", "text/javascript; charset=utf-8", page_js_begin,
	  page_js_end },
	{ "/icon.svg", "image/svg+xml", page_icon_begin, page_icon_end },
};

const struct page_file *page_find(const char *path)
{
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!strcmp(path, files[i].path))
			return &files[i];
	return NULL;
}
