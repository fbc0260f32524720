# SPDX-License-Identifier: GPL-2.0-only
# A peer and a program that write nonsense, for the lab
PROGRAMS += scribble mapscribble
mapscribble_SOURCES := tests/scribble/mapscribble.c
mapscribble_LIBS := $(if $(filter release,$(VARIANT)),-static-pie)
scribble_SOURCES := tests/scribble/scribble.c $(COMMON_SOURCES) $(HYPERVISOR_SOURCES)
scribble_PACKAGES := $(COMMON_PACKAGES) $(HYPERVISOR_PACKAGES)
