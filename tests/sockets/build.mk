# SPDX-License-Identifier: GPL-2.0-only
# Plain sockets: what Linux programs expect, on TCP and on circuits alike
sockcheck_SOURCES := $(addprefix tests/sockets/,sockcheck.c far.c near.c \
	pair.c cases_connect.c cases_accept.c cases_bind.c cases_data.c \
	cases_message.c cases_wait.c cases_epoll.c cases_end.c cases_name.c \
	cases_option.c cases_signal.c cases_share.c cases_many.c \
	cases_refuse.c datagram.c cases_datagram.c cases_datagram_wait.c \
	cases_datagram_option.c cases_datagram_error.c \
	cases_datagram_group.c cases_datagram_far.c \
	cases_library.c cases_map.c) $(LIBRARY_SOURCES)
# Not under TSan: it closes descriptors under other threads' feet on purpose
ifeq ($(VARIANT),tsan)
PROGRAMS += sockcheck
else
TESTS += sockcheck
endif
# also runs in guests that have no libraries
sockcheck_LIBS := $(if $(filter release,$(VARIANT)),-static-pie)

streamcheck_SOURCES := $(addprefix tests/sockets/,streamcheck.c near.c)
TESTS += streamcheck
streamcheck_LIBS := $(sockcheck_LIBS)

# For the lab's cases
PROGRAMS += holdcheck optcheck viewcheck
holdcheck_SOURCES := tests/sockets/holdcheck.c
holdcheck_LIBS := $(sockcheck_LIBS)
optcheck_SOURCES := tests/sockets/optcheck.c
optcheck_LIBS := $(sockcheck_LIBS)
viewcheck_SOURCES := tests/sockets/viewcheck.c
viewcheck_LIBS := $(sockcheck_LIBS)

dgramcheck_SOURCES := $(addprefix tests/sockets/,dgramcheck.c near.c)
TESTS += dgramcheck
dgramcheck_LIBS := $(sockcheck_LIBS)
