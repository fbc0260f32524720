/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * address - addresses and prefixes as text, and as a guest may write them
 *
 * Text that is accepted must come back the same after printing and parsing;
 * an address of any bytes must be classified, printed and compared safely.
 */
#include <string.h>

#include "services/common/address.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const char *text)
{
	struct sb_address a, b;
	struct address_prefix p, q;
	char printed[ADDRESS_TEXT_BYTES];

	if (address_parse(&a, text) == 0) {
		FUZZ_ASSERT(address_valid(&a));
		address_text(&a, printed, sizeof(printed));
		FUZZ_ASSERT(address_parse(&b, printed) == 0);
		FUZZ_ASSERT(address_equal(&a, &b));
	}
	if (address_prefix_parse(&p, text) == 0) {
		FUZZ_ASSERT(address_prefix_match(&p, &p.address));
		address_prefix_text(&p, printed, sizeof(printed));
		FUZZ_ASSERT(address_prefix_parse(&q, printed) == 0);
		FUZZ_ASSERT(p.bits == q.bits);
		FUZZ_ASSERT(address_equal(&p.address, &q.address));
	}
}

static void check_bytes(const uint8_t *input)
{
	struct sb_address a, b;
	char printed[ADDRESS_TEXT_BYTES];

	memcpy(&a, input, sizeof(a));
	address_port_text(&a, printed, sizeof(printed));
	FUZZ_ASSERT(strlen(printed) < sizeof(printed));
	if (!address_valid(&a) || a.family == SB_FAMILY_NONE)
		return;
	address_text(&a, printed, sizeof(printed));
	FUZZ_ASSERT(address_parse(&b, printed) == 0);
	FUZZ_ASSERT(address_equal(&a, &b));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
	char text[256];
	size_t length = bytes < sizeof(text) ? bytes : sizeof(text) - 1;

	if (bytes >= sizeof(struct sb_address))
		check_bytes(input);
	memcpy(text, input, length);
	text[length] = '\0';
	check_text(text);
	return 0;
}
