# SPDX-License-Identifier: GPL-2.0-only
# Static, so that it runs in any guest; sanitizers cannot be linked so
PROGRAMS += sbperf
sbperf_SOURCES := tests/bench/sbperf.c
sbperf_LIBS := $(if $(filter release,$(VARIANT)),-static-pie)
