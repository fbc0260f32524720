# SPDX-License-Identifier: GPL-2.0-only
# The local hypervisor's broker and the test guest, for tests and benchmarks
LOCAL_GUEST_SOURCES := $(addprefix tests/local/,broker.c broker_guest.c \
	guest.c guest_line.c guest_circuit.c guest_stream.c guest_trunk.c) \
	services/common/hypervisor_wire.c

PROGRAMS += local-hypervisor
local-hypervisor_SOURCES := $(addprefix tests/local/,hypervisor.c broker.c \
	broker_guest.c) services/common/hypervisor_wire.c

TESTS += hypervisor_local
hypervisor_local_SOURCES := tests/unit/hypervisor_local.c \
	$(LOCAL_GUEST_SOURCES) $(HYPERVISOR_SOURCES)
hypervisor_local_PACKAGES := check $(HYPERVISOR_PACKAGES)

# Proxies as processes, between a test guest and the loopback
LOCAL_STAGE_SOURCES := tests/local/stage.c tests/local/neighbours.c \
	tests/local/flow.c $(LOCAL_GUEST_SOURCES) $(IPC_SOURCES)
PROXY_TESTS := proxy_connect proxy_calls proxy_listen proxy_data \
	proxy_hostile proxy_restart proxy_churn proxy_exchange proxy_exchange_end
TESTS += $(PROXY_TESTS)
$(foreach t,$(PROXY_TESTS),$(eval $(t)_SOURCES := tests/local/$(t).c \
	$(LOCAL_STAGE_SOURCES)))
$(foreach t,$(PROXY_TESTS),$(eval $(t)_PACKAGES := check $(IPC_PACKAGES)))
$(PROXY_TESTS:%=$(BUILD)/bin/%): | $(BUILD)/bin/switchboard-proxy-tcp

# The same for proxy-udp
UDP_STAGE_SOURCES := $(addprefix tests/local/,stage_udp.c guest_datagram.c) \
	$(LOCAL_STAGE_SOURCES)
UDP_TESTS := udp_data udp_runs udp_rest udp_policy udp_groups udp_life udp_hostile \
	udp_path udp_neighbours
TESTS += $(UDP_TESTS)
$(foreach t,$(UDP_TESTS),$(eval $(t)_SOURCES := tests/local/$(t).c \
	$(UDP_STAGE_SOURCES)))
$(foreach t,$(UDP_TESTS),$(eval $(t)_PACKAGES := check $(IPC_PACKAGES)))
$(UDP_TESTS:%=$(BUILD)/bin/%): | $(addprefix $(BUILD)/bin/,switchboard-proxy-udp \
	switchboard-operator)

# With the real operator
TESTS += whole_path
whole_path_SOURCES := tests/local/whole_path.c $(LOCAL_STAGE_SOURCES)
whole_path_PACKAGES := check $(IPC_PACKAGES)
$(BUILD)/bin/whole_path: | $(addprefix $(BUILD)/bin/,switchboard-proxy-tcp \
	switchboard-operator)

# Parts of the proxies alone
TESTS += datagram_rest
datagram_rest_SOURCES := tests/unit/datagram_rest.c services/proxy-udp/rest.c
datagram_rest_PACKAGES := check $(IPC_PACKAGES)

TESTS += proxy_transfer
proxy_transfer_SOURCES := tests/unit/proxy_transfer.c services/proxy-tcp/transfer.c
proxy_transfer_PACKAGES := check
