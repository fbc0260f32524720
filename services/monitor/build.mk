# SPDX-License-Identifier: GPL-2.0-only
# switchboard-monitor: the book of what is known, its reports, HTTP
MONITOR_BOOK := $(addprefix services/monitor/,book.c circuits.c)
MONITOR_REPORT := $(addprefix services/monitor/,report.c metrics.c writer.c)
MONITOR_HTTP := $(addprefix services/monitor/,server.c listen.c host.c page.c)

PROGRAMS += switchboard-monitor
# = and not :=, for what services/operator/build.mk defines later
switchboard-monitor_SOURCES = $(addprefix services/monitor/,monitor.c watch.c) \
	$(MONITOR_BOOK) $(MONITOR_REPORT) $(MONITOR_HTTP) $(COMMON_SOURCES) \
	$(OPERATOR_CONFIG)
switchboard-monitor_PACKAGES := libmicrohttpd jansson $(COMMON_PACKAGES)

MONITOR_TESTS := monitor_book monitor_report monitor_http monitor_services
TESTS += $(MONITOR_TESTS)
monitor_book_SOURCES := tests/unit/monitor_book.c $(MONITOR_BOOK)
monitor_book_PACKAGES := check
monitor_report_SOURCES := tests/unit/monitor_report.c $(MONITOR_BOOK) \
	$(MONITOR_REPORT)
monitor_report_PACKAGES := check jansson
monitor_http_SOURCES := tests/unit/monitor_http.c services/common/loop.c \
	services/common/address.c $(MONITOR_HTTP)
monitor_http_PACKAGES := check libmicrohttpd
monitor_services_SOURCES := tests/unit/monitor_services.c \
	services/monitor/watch.c $(MONITOR_BOOK) $(COMMON_SOURCES)
monitor_services_PACKAGES := check $(COMMON_PACKAGES)

# The assembler takes these in
$(BUILD)/services/monitor/page.o: $(wildcard services/monitor/page/*)
