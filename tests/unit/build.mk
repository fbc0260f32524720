# SPDX-License-Identifier: GPL-2.0-only
# The contract: rings, doorbells, words, and its specification
CONTRACT_TESTS := ring_basic ring_model ring_threads ring_hostile \
	doorbell_rings doorbell_threads protocol_words protocol_litmus \
	protocol_layout datagram_records
TESTS += $(CONTRACT_TESTS)
$(foreach t,$(CONTRACT_TESTS),$(eval $(t)_SOURCES := tests/unit/$(t).c))
$(foreach t,$(CONTRACT_TESTS),$(eval $(t)_PACKAGES := check))

# Fields and constants of the headers, for the test that reads docs/PROTOCOL.md
CONTRACT_HEADERS := $(addprefix protocol/,address.h circuit.h datagram.h \
	line.h trunk.h)
$(BUILD)/tests/unit/protocol_fields.inc: tests/unit/protocol_fields.awk $(CONTRACT_HEADERS)
	@mkdir -p $(@D)
	$(Q)awk -f $^ >$@
$(BUILD)/tests/unit/protocol_layout.o: $(BUILD)/tests/unit/protocol_fields.inc
$(BUILD)/tests/unit/protocol_layout.o: CFLAGS_ALL += -I$(BUILD)/tests/unit
