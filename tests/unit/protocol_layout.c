/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * protocol_layout - docs/PROTOCOL.md against the headers, both ways
 *
 * The build lists every struct, field and constant of the headers
 * (protocol_fields.awk); the compiler knows where they are. The tables of the
 * specification must say the same of each, and name nothing else. A row is
 *   | offset | size | `field` | ...     below a heading `struct name`, N bytes
 *   | `SB_CONSTANT` | value | ...       anywhere
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/datagram.h"
#include "protocol/line.h"
#include "protocol/trunk.h"
#include "tests/unit/unit.h"

#define SPECIFICATION "docs/PROTOCOL.md"
#define NAME_BYTES 64

/**
 * struct truth - what the compiler says, and whether the text said so too
 * @parent: the struct of a field, "" otherwise
 * @name:   of the struct, field or constant
 * @offset: of a field
 * @value:  of a constant; size of a struct or field
 * @seen:   found in the text
 */
struct truth {
	const char *parent;
	const char *name;
	long long offset;
	long long value;
	int seen;
};

static struct truth truths[] = {
#define STRUCT(s) { "", #s, 0, sizeof(struct s), 0 },
#define FIELD(s, f)                      \
	{ #s, #f, offsetof(struct s, f), \
	  (long long)sizeof(((struct s *)0)->f), 0 },
#define CONSTANT(c) { "", #c, 0, (long long)(c), 0 },
#include "protocol_fields.inc"
};
#define TRUTHS (sizeof(truths) / sizeof(truths[0]))

static int differences;

#define differ(...)                           \
	do {                                  \
		fprintf(stderr, __VA_ARGS__); \
		differences++;                \
	} while (0)

static struct truth *find(const char *parent, const char *name)
{
	for (size_t n = 0; n < TRUTHS; n++)
		if (!strcmp(truths[n].parent, parent) &&
		    !strcmp(truths[n].name, name))
			return &truths[n];
	return NULL;
}

static void compare(int line, const char *parent, const char *name,
		    long long offset, long long value)
{
	struct truth *truth = find(parent, name);

	if (!truth) {
		differ("%s:%d: %s %s is in no header\n", SPECIFICATION, line,
		       parent, name);
		return;
	}
	truth->seen++;
	if (truth->offset != offset)
		differ("%s:%d: %s.%s is at %lld, not %lld\n", SPECIFICATION,
		       line, parent, name, truth->offset, offset);
	if (truth->value != value)
		differ("%s:%d: %s.%s is %lld, not %lld\n", SPECIFICATION, line,
		       parent, name, truth->value, value);
}

static void read_line(int line, const char *text, char *parent)
{
	char name[NAME_BYTES];
	long long offset, value;
	char number[NAME_BYTES];

	if (text[0] == '#')
		parent[0] = '\0';
	if (sscanf(text, "### `struct %63[a-z_]`, %lld bytes", name, &value) ==
	    2) {
		snprintf(parent, NAME_BYTES, "%s", name);
		compare(line, "", name, 0, value);
	} else if (sscanf(text, "| %lld | %lld | `%63[a-z0-9_]` |", &offset,
			  &value, name) == 3) {
		compare(line, parent, name, offset, value);
	} else if (sscanf(text, "| `%63[A-Z0-9_]` | %63[0-9a-fx] |", name,
			  number) == 2) {
		compare(line, "", name, 0, strtoll(number, NULL, 0));
	}
}

START_TEST(specification_and_headers_say_the_same)
{
	FILE *file = fopen(SPECIFICATION, "r");
	char text[1024], parent[NAME_BYTES] = "";

	ck_assert_msg(file, "%s: cannot open: run from the top folder",
		      SPECIFICATION);
	for (int line = 1; fgets(text, sizeof(text), file); line++)
		read_line(line, text, parent);
	fclose(file);
	for (size_t n = 0; n < TRUTHS; n++)
		if (truths[n].seen != 1)
			differ("%s: names %s.%s %d times, not once\n",
			       SPECIFICATION, truths[n].parent, truths[n].name,
			       truths[n].seen);
	ck_assert_int_eq(differences, 0);
}
END_TEST

START_TEST(no_struct_has_a_hole)
{
	const char *parent = "";
	long long end = 0;

	for (size_t n = 0; n < TRUTHS; n++) {
		const struct truth *truth = &truths[n];

		if (!truth->parent[0])
			continue;
		if (strcmp(truth->parent, parent) != 0)
			end = 0;
		parent = truth->parent;
		ck_assert_msg(truth->offset == end,
			      "%s: %lld bytes before %s have no name", parent,
			      truth->offset - end, truth->name);
		end = truth->offset + truth->value;
	}
}
END_TEST

START_TEST(the_headers_were_read)
{
	ck_assert_ptr_nonnull(find("", "sb_entry"));
	ck_assert_ptr_nonnull(find("sb_entry", "gref"));
	ck_assert_ptr_nonnull(find("", "SB_LINE_MAGIC"));
	ck_assert_ptr_nonnull(find("", "SB_MESSAGE_REFUSED"));
	ck_assert_uint_ge(TRUTHS, 200);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("protocol_layout");
	TCase *tests = tcase_create("layout");

	tcase_add_test(tests, the_headers_were_read);
	tcase_add_test(tests, no_struct_has_a_hole);
	tcase_add_test(tests, specification_and_headers_say_the_same);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
