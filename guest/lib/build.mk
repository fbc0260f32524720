# SPDX-License-Identifier: GPL-2.0-only
# libswitchboard: shared for programs, static for those without libraries
LIBRARY_SOURCES := $(addprefix guest/lib/,attach.c circuit.c copy.c leftover.c \
	rings.c datagram.c)
LIBRARY_SHARED := $(BUILD)/lib/libswitchboard.so.1
LIBRARY_STATIC := $(BUILD)/lib/libswitchboard.a
programs: $(LIBRARY_SHARED) $(LIBRARY_STATIC)

# also for the tests and examples that link the sources
CFLAGS_ALL += -Iguest/include/uapi -Iguest/lib
include guest/lib/examples/build.mk

$(BUILD)/shared/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(CFLAGS_ALL) -fPIC -c -o $@ $<

$(LIBRARY_SHARED): $(LIBRARY_SOURCES:%.c=$(BUILD)/shared/%.o) guest/lib/switchboard.map
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$(Q)$(CC) $(filter-out -pie,$(LDFLAGS_ALL)) -shared \
		-Wl,-soname,libswitchboard.so.1 \
		-Wl,--version-script,guest/lib/switchboard.map -o $@ $(filter %.o,$^)

$(LIBRARY_STATIC): $(LIBRARY_SOURCES:%.c=$(BUILD)/%.o)
	@mkdir -p $(@D)
	@echo "  AR      $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^
