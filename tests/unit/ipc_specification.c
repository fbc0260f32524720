/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ipc_specification.c - docs/IPC.md says what ipc/messages.c does
 *
 * For each message the document must hold its heading and, in order, a row for
 * each key, and no other row. With --print as argument: what it must hold.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/table.h"
#include "tests/unit/unit.h"

#define LINE_BYTES 320
#define KIND_BYTES 224

static char document[256 * 1024];

static const char *party_names(unsigned int parties)
{
	static char text[2][64];
	static int which;
	static const char *const names[] = { "operator", "proxy", "monitor",
					     "tool" };
	char *to = text[which ^= 1];
	unsigned int i;

	to[0] = 0;
	for (i = 0; i < 4; i++) {
		if (!(parties & 1u << i))
			continue;
		snprintf(to + strlen(to), sizeof(text[0]) - strlen(to), "%s%s",
			 to[0] ? ", " : "", names[i]);
	}
	return to;
}

static void heading(char *to, unsigned int type)
{
	const struct ipc_definition *d = &ipc_table[type];

	snprintf(to, LINE_BYTES, "### `%s`: %s to %s, at most %u bytes\n",
		 ipc_type_name(type), party_names(d->sender),
		 party_names(d->receiver), d->bytes_max);
}

static void tuple_names(char *to, size_t size, const struct ipc_rows *rows)
{
	uint32_t i;

	to[0] = 0;
	for (i = 0; i < rows->fields; i++)
		snprintf(to + strlen(to), size - strlen(to),
			 "%s`%s` %lu to %lu", i ? ", " : "", rows->field[i].key,
			 (unsigned long)rows->field[i].min,
			 (unsigned long)rows->field[i].max);
}

static void word_names(char *to, size_t size, const struct ipc_field *f)
{
	uint64_t i;

	to[0] = 0;
	for (i = f->min; i <= f->max; i++)
		snprintf(to + strlen(to), size - strlen(to), "%s`%s`",
			 i > f->min ? ", " : "", f->word[i]);
}

static void kind_text(char *to, const struct ipc_field *f)
{
	char names[160];

	switch (f->kind) {
	case IPC_BOOL:
		snprintf(to, KIND_BYTES, "true or false");
		break;
	case IPC_WORD:
		word_names(names, sizeof(names), f);
		snprintf(to, KIND_BYTES, "one of %s", names);
		break;
	case IPC_NAME:
	case IPC_TEXT:
		snprintf(to, KIND_BYTES, "%s of %lu to %u bytes",
			 f->kind == IPC_NAME ? "name" : "text",
			 (unsigned long)f->min, f->size - 1);
		break;
	case IPC_IDENTITY:
		snprintf(to, KIND_BYTES, "%s",
			 f->min ? "UUID" : "UUID or empty");
		break;
	case IPC_ADDRESS:
		snprintf(to, KIND_BYTES, "address");
		break;
	case IPC_TEXTS:
		snprintf(to, KIND_BYTES, "list of at most %u texts",
			 f->rows->max);
		break;
	case IPC_TUPLES:
		tuple_names(names, sizeof(names), f->rows);
		snprintf(to, KIND_BYTES, "list of at most %u lists: %s",
			 f->rows->max, names);
		break;
	case IPC_ROWS:
		snprintf(to, KIND_BYTES, "list of at most %u objects",
			 f->rows->max);
		break;
	case IPC_COUNTERS:
		snprintf(to, KIND_BYTES, "object of at most %u names, integers",
			 f->rows->max);
		break;
	default:
		snprintf(to, KIND_BYTES, "integer %lu to %lu",
			 (unsigned long)f->min, (unsigned long)f->max);
	}
}

static void row(char *to, const struct ipc_field *f)
{
	char kind[KIND_BYTES];

	kind_text(kind, f);
	snprintf(to, LINE_BYTES, "| `%s` | %s%s |", f->key, kind,
		 f->optional ? ", optional" : "");
}

/* Is the next row of a table, from @at on, this one? Return: behind it */
static const char *expect_row(const char *at, const struct ipc_field *f)
{
	char wanted[LINE_BYTES];
	const char *found = strstr(at, "\n| `");

	row(wanted, f);
	ck_assert_msg(found != NULL, "no row %s", wanted);
	found++;
	ck_assert_msg(strncmp(found, wanted, strlen(wanted)) == 0,
		      "\"%.*s\" instead of \"%s\"", (int)strlen(wanted), found,
		      wanted);
	return found;
}

static void check_rows(const char *at, const struct ipc_field *field,
		       uint32_t fields)
{
	const char *end = strstr(at, "\n### ");
	uint32_t i;

	for (i = 0; i < fields; i++)
		at = expect_row(at, &field[i]);
	at = strstr(at, "\n| `");
	ck_assert_msg(!at || (end && at > end), "a row too many: %.60s",
		      at ? at + 1 : "");
}

START_TEST(the_document_has_every_message_as_it_is)
{
	char wanted[LINE_BYTES];
	const char *at;

	heading(wanted, (unsigned int)_i);
	at = strstr(document, wanted);
	ck_assert_msg(at != NULL, "no %s", wanted);
	check_rows(at, ipc_table[_i].field, ipc_table[_i].fields);
}
END_TEST

static const char *const row_headings[] = { "### A row of `guests`\n", "### A "
								       "row of "
								       "`circui"
								       "ts`"
								       "\n" };

static const struct ipc_rows *status_rows(const char *key)
{
	const struct ipc_definition *d = &ipc_table[IPC_ANSWER_STATUS];
	uint32_t i;

	for (i = 0; i < d->fields; i++) {
		if (strcmp(d->field[i].key, key) == 0)
			return d->field[i].rows;
	}
	return NULL;
}

START_TEST(the_document_has_the_rows_of_a_status)
{
	const struct ipc_rows *rows = status_rows(_i ? "circuits" : "guests");
	const char *at = strstr(document, row_headings[_i]);

	ck_assert_msg(at != NULL, "no %s", row_headings[_i]);
	check_rows(at, rows->field, rows->fields);
}
END_TEST

static void print_rows(const struct ipc_field *field, uint32_t fields)
{
	char line[LINE_BYTES];
	uint32_t i;

	if (fields)
		puts("\n| key | value | meaning |\n|---|---|---|");
	for (i = 0; i < fields; i++) {
		row(line, &field[i]);
		puts(line);
	}
	putchar('\n');
}

static int print(void)
{
	char line[LINE_BYTES];
	unsigned int i;

	for (i = 1; i < IPC_TYPES; i++) {
		heading(line, i);
		fputs(line, stdout);
		print_rows(ipc_table[i].field, ipc_table[i].fields);
	}
	for (i = 0; i < 2; i++) {
		const struct ipc_rows *rows =
			status_rows(i ? "circuits" : "guests");

		fputs(row_headings[i], stdout);
		print_rows(rows->field, rows->fields);
	}
	return 0;
}

static void read_document(const char *program)
{
	char path[512];
	FILE *f = fopen("docs/IPC.md", "r");
	const char *build = strstr(program, "build/");

	/* from the top, or wherever the program lies below build/ */
	if (!f && build) {
		snprintf(path, sizeof(path), "%.*sdocs/IPC.md",
			 (int)(build - program), program);
		f = fopen(path, "r");
	}
	if (!f || !fread(document, 1, sizeof(document) - 1, f)) {
		fputs("docs/IPC.md cannot be read\n", stderr);
		exit(EXIT_FAILURE);
	}
	fclose(f);
}

static Suite *specification_suite(void)
{
	Suite *suite = suite_create("specification");
	TCase *t = tcase_create("IPC.md");

	tcase_add_loop_test(t, the_document_has_every_message_as_it_is, 1,
			    IPC_TYPES);
	tcase_add_loop_test(t, the_document_has_the_rows_of_a_status, 0, 2);
	suite_add_tcase(suite, t);
	return suite;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--print") == 0)
		return print();
	read_document(argv[0]);
	return unit_run(specification_suite());
}
