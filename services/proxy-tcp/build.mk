# SPDX-License-Identifier: GPL-2.0-only
# switchboard-proxy-tcp
PROXY_TCP_SOURCES := $(addprefix services/proxy-tcp/,proxy.c line.c attach.c \
	circuit.c call.c connect.c listen.c transfer.c options.c orders.c status.c) \
	$(VERDICTS_SOURCES) $(COMMON_SOURCES) $(HYPERVISOR_SOURCES)

PROGRAMS += switchboard-proxy-tcp
switchboard-proxy-tcp_SOURCES := services/proxy-tcp/main.c $(PROXY_TCP_SOURCES)
switchboard-proxy-tcp_PACKAGES := $(COMMON_PACKAGES) $(HYPERVISOR_PACKAGES)
