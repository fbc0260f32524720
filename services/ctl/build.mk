# The command
PROGRAMS += switchboard
switchboard_SOURCES := services/ctl/main.c $(IPC_SOURCES)
switchboard_PACKAGES := $(IPC_PACKAGES)
