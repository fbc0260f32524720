# SPDX-License-Identifier: GPL-2.0-only
# switchboard-proxy-tcp
PROXY_TCP_SOURCES := $(addprefix services/proxy-tcp/,stream.c call.c connect.c \
	listen.c listeners.c exchange.c transfer.c options.c) $(PROXY_COMMON_SOURCES) \
	$(VERDICTS_SOURCES) $(COMMON_SOURCES) $(HYPERVISOR_SOURCES)

PROGRAMS += switchboard-proxy-tcp
switchboard-proxy-tcp_SOURCES := services/proxy-tcp/main.c $(PROXY_TCP_SOURCES)
switchboard-proxy-tcp_PACKAGES := $(COMMON_PACKAGES) $(HYPERVISOR_PACKAGES)
