# SPDX-License-Identifier: GPL-2.0-only
# switchboard-proxy-udp
PROXY_UDP_SOURCES := $(addprefix services/proxy-udp/,datagrams.c outlet.c \
	options.c destination.c known.c send.c runs.c rest.c spare.c group.c neighbour.c receive.c \
	pending.c error.c exchange.c) $(PROXY_COMMON_SOURCES) $(COMMON_SOURCES) \
	$(VERDICTS_SOURCES) $(HYPERVISOR_SOURCES)

PROGRAMS += switchboard-proxy-udp
switchboard-proxy-udp_SOURCES := services/proxy-udp/main.c $(PROXY_UDP_SOURCES)
switchboard-proxy-udp_PACKAGES := $(COMMON_PACKAGES) $(HYPERVISOR_PACKAGES)
