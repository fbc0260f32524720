# SPDX-License-Identifier: GPL-2.0-only
# The local hypervisor's broker and the test guest, for tests and benchmarks
LOCAL_GUEST_SOURCES := $(addprefix tests/local/,broker.c broker_guest.c \
	guest.c guest_line.c guest_circuit.c guest_trunk.c) \
	services/common/hypervisor_wire.c

PROGRAMS += local-hypervisor
local-hypervisor_SOURCES := $(addprefix tests/local/,hypervisor.c broker.c \
	broker_guest.c) services/common/hypervisor_wire.c

TESTS += hypervisor_local
hypervisor_local_SOURCES := tests/unit/hypervisor_local.c \
	$(LOCAL_GUEST_SOURCES) $(HYPERVISOR_SOURCES)
hypervisor_local_PACKAGES := check $(HYPERVISOR_PACKAGES)
