# SPDX-License-Identifier: GPL-2.0-only
# What both link, with libswitchboard; its sources are known later: no :=
BENCH_SOURCES = $(addprefix tests/bench/sbperf/,io.c serve.c stream.c touch.c \
	zero.c) $(LIBRARY_SOURCES)

# Static, so that it runs in any guest; sanitizers cannot be linked so
PROGRAMS += sbperf
sbperf_SOURCES = $(addprefix tests/bench/sbperf/,datagram.c machine.c many.c \
	profile.c sbperf.c) $(BENCH_SOURCES)
sbperf_LIBS := $(if $(filter release,$(VARIANT)),-static-pie)

# On the local hypervisor, without Xen
PROGRAMS += sbnative
sbnative_SOURCES = $(addprefix tests/bench/native/,datagrams.c native.c pair.c \
	proxied.c ring.c sockets.c spent.c) $(BENCH_SOURCES) \
	$(LOCAL_GUEST_SOURCES) tests/local/guest_datagram.c
