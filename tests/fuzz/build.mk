# SPDX-License-Identifier: GPL-2.0-only
# A harness is tests/fuzz/NAME.c, its inputs tests/fuzz/corpus/NAME/, and what
# it needs NAME_WITH. It runs for a moment with the units, and by itself here.
FUZZERS := ipc address config trunk line request datagram
ipc_WITH := $(addprefix ipc/,messages.c decode.c encode.c json.c) \
	services/common/address.c
address_WITH := services/common/address.c
config_WITH := $(wildcard services/operator/config*.c) services/common/log.c \
	$(ipc_WITH)
config_WITH_PACKAGES := jansson libsystemd
trunk_WITH := services/operator/trunk.c
guest_line_WITH := $(addprefix tests/fuzz/,guest_line.c guest_memory.c quiet.c) \
	$(addprefix services/proxy-common/,proxy.c line.c attach.c circuit.c \
	questions.c tokens.c options.c) services/common/verdicts.c \
	services/common/loop.c services/common/address.c
line_WITH := $(addprefix services/proxy-tcp/,stream.c call.c connect.c \
	listen.c listeners.c exchange.c transfer.c options.c) $(guest_line_WITH)
datagram_WITH := $(addprefix services/proxy-udp/,datagrams.c outlet.c neighbour.c \
	options.c destination.c known.c send.c runs.c rest.c spare.c group.c receive.c \
	pending.c error.c exchange.c) $(guest_line_WITH)
request_WITH := tests/fuzz/quiet.c $(addprefix services/operator/,requests.c \
	introductions.c introduction_book.c policy.c published.c book.c config.c config_guest.c config_place.c \
	config_reader.c) services/common/loop.c $(ipc_WITH)
request_WITH_PACKAGES := jansson

TESTS += $(FUZZERS:%=fuzz_%)
$(foreach f,$(FUZZERS),$(eval fuzz_$(f)_SOURCES := tests/fuzz/$(f).c \
	tests/fuzz/replay.c $$($(f)_WITH)))
$(foreach f,$(FUZZERS),$(eval fuzz_$(f)_PACKAGES := $$($(f)_WITH_PACKAGES)))

# One of them: make fuzz FUZZERS=trunk
FUZZ_S ?= 60
.PHONY: fuzz
fuzz: ## look for inputs that break a parser, FUZZ_S seconds each (60)
	@mkdir -p build/fuzz
	$(Q)set -e; $(foreach f,$(FUZZERS),echo "  FUZZ    $(f)"; \
	clang-14 -std=gnu11 -D_GNU_SOURCE -I. -O1 -g \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		$(if $($(f)_WITH_PACKAGES),$$(pkg-config --cflags $($(f)_WITH_PACKAGES))) \
		-o build/fuzz/$(f) tests/fuzz/$(f).c $($(f)_WITH) \
		$(if $($(f)_WITH_PACKAGES),$$(pkg-config --libs $($(f)_WITH_PACKAGES))); \
	mkdir -p build/fuzz/$(f).corpus; \
	build/fuzz/$(f) -max_total_time=$(FUZZ_S) -max_len=16384 -print_final_stats=0 \
		-verbosity=0 -artifact_prefix=build/fuzz/$(f)- \
		build/fuzz/$(f).corpus tests/fuzz/corpus/$(f);)
