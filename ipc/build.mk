# SPDX-License-Identifier: GPL-2.0-only
# Messages between the Dom0 processes; IPC_SOURCES goes into every service
IPC_SOURCES := $(addprefix ipc/,ipc.c messages.c decode.c encode.c json.c) \
	services/common/address.c
IPC_PACKAGES := nanomsg

TESTS += ipc_messages ipc_sockets
ipc_messages_SOURCES := tests/unit/ipc_messages.c $(IPC_SOURCES)
ipc_messages_PACKAGES := check $(IPC_PACKAGES)
ipc_sockets_SOURCES := tests/unit/ipc_sockets.c $(IPC_SOURCES) \
	$(addprefix services/common/,endpoint.c log.c loop.c)
ipc_sockets_PACKAGES := check libsystemd $(IPC_PACKAGES)
TESTS += ipc_specification
ipc_specification_SOURCES := tests/unit/ipc_specification.c ipc/messages.c
ipc_specification_PACKAGES := check
