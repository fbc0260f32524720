# SPDX-License-Identifier: GPL-2.0-only
# What all Dom0 services share; COMMON_SOURCES goes into every service
COMMON_SOURCES := $(addprefix services/common/,counters.c endpoint.c log.c \
	loop.c memory.c sandbox.c service.c) $(IPC_SOURCES)
COMMON_PACKAGES := libsystemd libseccomp libcap $(IPC_PACKAGES)
# Of those that ask the operator about destinations
VERDICTS_SOURCES := services/common/verdicts.c
HYPERVISOR_SOURCES := $(sort $(wildcard services/common/hypervisor*.c))
HYPERVISOR_PACKAGES := xengnttab xenevtchn xenstore

TESTS += common_loop
common_loop_SOURCES := tests/unit/common_loop.c \
	$(addprefix services/common/,log.c loop.c)
common_loop_PACKAGES := check libsystemd
TESTS += common_sandbox
common_sandbox_SOURCES := tests/unit/common_sandbox.c \
	$(addprefix services/common/,log.c sandbox.c)
common_sandbox_PACKAGES := check libsystemd libseccomp libcap
TESTS += common_verdicts
common_verdicts_SOURCES := tests/unit/common_verdicts.c \
	services/common/verdicts.c
common_verdicts_PACKAGES := check
