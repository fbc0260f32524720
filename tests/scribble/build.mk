# SPDX-License-Identifier: GPL-2.0-only
# A peer that writes nonsense, for the lab
PROGRAMS += scribble
scribble_SOURCES := tests/scribble/scribble.c $(COMMON_SOURCES) $(HYPERVISOR_SOURCES)
scribble_PACKAGES := $(COMMON_PACKAGES) $(HYPERVISOR_PACKAGES)
