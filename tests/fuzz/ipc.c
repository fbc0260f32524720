/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ipc - messages between the Dom0 processes, as any process may send them
 *
 * The first byte chooses sender and receiver. What is accepted must survive
 * being written and read again, unchanged.
 */
#include <string.h>

#include "ipc/messages.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_BYTES (256u * 1024u)

static struct ipc_message first, again;
static char text[TEXT_BYTES], text_again[TEXT_BYTES];

static enum ipc_fault decode(struct ipc_message *m, const char *from,
			     size_t bytes, uint8_t parties)
{
	char why[64] = "?";
	enum ipc_fault fault = ipc_message_decode(
		m, from, bytes, parties & 15, parties >> 4, why, sizeof(why));

	FUZZ_ASSERT(fault < IPC_FAULTS);
	FUZZ_ASSERT(ipc_fault_name(fault));
	for (const char *c = why; *c; c++)
		FUZZ_ASSERT(*c >= ' ' && *c < 0x7f);
	return fault;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
	int length, length_again;

	if (bytes < 1 || decode(&first, (const char *)input + 1, bytes - 1,
				input[0]) != IPC_FAULT_NONE)
		return 0;
	length = ipc_message_encode(&first, text, sizeof(text));
	FUZZ_ASSERT(length > 0);
	FUZZ_ASSERT(decode(&again, text, length, input[0]) == IPC_FAULT_NONE);
	length_again =
		ipc_message_encode(&again, text_again, sizeof(text_again));
	FUZZ_ASSERT(length_again == length);
	FUZZ_ASSERT(memcmp(text, text_again, length) == 0);
	return 0;
}
