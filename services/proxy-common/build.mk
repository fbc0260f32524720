# SPDX-License-Identifier: GPL-2.0-only
# What proxies share: lines, entries, orders about them
PROXY_COMMON_SOURCES := $(addprefix services/proxy-common/,proxy.c line.c \
	attach.c circuit.c orders.c status.c options.c)
