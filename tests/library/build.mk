# SPDX-License-Identifier: GPL-2.0-only
# libswitchboard over ordinary sockets, and over rings with threads as peers
LIBRARY_TESTS := library_bytes library_calls library_datagrams
TESTS += $(LIBRARY_TESTS)
$(foreach t,$(LIBRARY_TESTS),$(eval $(t)_SOURCES := tests/library/$(t).c \
	tests/library/ends.c $(LIBRARY_SOURCES)))
$(foreach t,$(LIBRARY_TESTS),$(eval $(t)_PACKAGES := check))
