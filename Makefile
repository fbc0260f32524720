# SPDX-License-Identifier: GPL-2.0-only
#
# One Makefile. Each folder adds its sources in a build.mk of a few lines:
#   PROGRAMS += name          a program in $(BUILD)/bin
#   name_SOURCES := a.c b.c   its sources, from the top
#   name_PACKAGES := pkg      pkg-config packages
#   TESTS += name             also run by `make units`
# Only guest/ is built by Kbuild.

CC ?= gcc
VARIANT ?= release
BUILD ?= build/$(VARIANT)
KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	$(lastword $(sort $(wildcard /usr/src/linux-headers-*-amd64))))
Q := $(if $(V),,@)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wvla -Wformat=2 -Wundef \
	-Wno-unused-parameter
release_FLAGS := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
asan_FLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
tsan_FLAGS := -O1 -g -fsanitize=thread
CFLAGS_ALL := -std=gnu11 -D_GNU_SOURCE -I. -fPIE -pthread -MMD -MP \
	$(WARN) $($(VARIANT)_FLAGS) $(CFLAGS)
LDFLAGS_ALL := -pie -pthread -Wl,-z,relro,-z,now $($(VARIANT)_FLAGS) $(LDFLAGS)

PROGRAMS :=
TESTS :=
include $(sort $(wildcard */build.mk */*/build.mk))

.PHONY: all
all: programs module ## build the services, the tests' programs and the guest's module
.DEFAULT_GOAL := all

programs: $(PROGRAMS:%=$(BUILD)/bin/%) $(TESTS:%=$(BUILD)/bin/%)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(CFLAGS_ALL) $(if $(PACKAGES),$(shell pkg-config --cflags $(PACKAGES))) -c -o $@ $<

define program
$(BUILD)/bin/$(1): PACKAGES := $($(1)_PACKAGES)
$(BUILD)/bin/$(1): $($(1)_SOURCES:%.c=$(BUILD)/%.o)
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ \
		$$(if $($(1)_PACKAGES),$$$$(pkg-config --libs $($(1)_PACKAGES))) $($(1)_LIBS)
endef
$(foreach p,$(PROGRAMS) $(TESTS),$(eval $(call program,$(p))))
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: module
module: ## build guest/switchboard.ko
	@echo "  KBUILD  guest"
	$(Q)$(MAKE) -C $(KDIR) M=$(CURDIR)/guest --no-print-directory modules $(if $(V),,>/dev/null)

.PHONY: deps
deps: ## install the Debian packages that everything here needs
	$(Q)deploy/deps

.PHONY: units
units: programs ## run the unit and local tests of one VARIANT (release, asan, tsan)
	$(Q)tests/run-units $(BUILD)/bin $(TESTS)

.PHONY: lint
lint: ## formatting, clang-tidy, sparse, checkpatch, shellcheck
	$(Q)tests/lint

.PHONY: check
check: ## everything: units, sanitizers, linters, the lab
	$(Q)deploy/deps build check lab
	$(Q)tests/check

.PHONY: check-debug
check-debug: ## the lab again, with kernels that watch themselves: KASAN, lockdep, kmemleak
	$(Q)deploy/deps build lab debug
	$(Q)tests/check-debug

.PHONY: demo
demo: ## boot the lab, two guests, real programs over circuits
	$(Q)deploy/deps build lab
	$(Q)deploy/demo/run

.PHONY: bench
bench: bench-native ## measure circuits against the packet-switched path
	$(Q)deploy/deps build lab bench
	$(Q)tests/bench/run

.PHONY: bench-native
bench-native: ## measure rings and proxies on this machine, without Xen
	$(Q)deploy/deps build bench
	$(Q)tests/bench/native/run

.PHONY: lab
lab: ## a running lab with a prompt in Dom0
	$(Q)deploy/deps build lab
	$(Q)deploy/lab/lab shell

.PHONY: install
install: programs ## install the Dom0 side below DESTDIR
	$(Q)deploy/install "$(BUILD)" "$(DESTDIR)"

.PHONY: format
format: ## rewrite the sources as .clang-format says
	$(Q)git ls-files '*.c' '*.h' | xargs clang-format -i

.PHONY: clean
clean: ## remove what was built
	$(Q)rm -rf build
	$(Q)$(MAKE) -C $(KDIR) M=$(CURDIR)/guest clean >/dev/null

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | expand -t 14
