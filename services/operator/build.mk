# The broker
OPERATOR_CONFIG := $(addprefix services/operator/,config.c config_guest.c \
	config_place.c config_reader.c)
OPERATOR_PARTS := $(OPERATOR_CONFIG) $(addprefix services/operator/,book.c \
	host.c policy.c published.c)

PROGRAMS += switchboard-operator
switchboard-operator_SOURCES := $(addprefix services/operator/,main.c guests.c \
	requests.c proxies.c answers.c trunk.c) $(OPERATOR_PARTS) \
	$(COMMON_SOURCES) $(HYPERVISOR_SOURCES)
switchboard-operator_PACKAGES := jansson $(COMMON_PACKAGES) \
	$(HYPERVISOR_PACKAGES)
