# SPDX-License-Identifier: GPL-2.0-only
# What proxies share: lines, entries, orders about them, questions about calls
PROXY_COMMON_SOURCES := $(addprefix services/proxy-common/,proxy.c line.c \
	attach.c circuit.c questions.c tokens.c orders.c status.c options.c \
	process.c)
