# Messages between the Dom0 processes; IPC_SOURCES goes into every service
IPC_SOURCES := $(addprefix ipc/,ipc.c messages.c decode.c encode.c json.c) \
	services/common/address.c
IPC_PACKAGES := nanomsg
