# SPDX-License-Identifier: GPL-2.0-only
# The command
PROGRAMS += switchboard
switchboard_SOURCES := services/ctl/main.c $(IPC_SOURCES)
switchboard_PACKAGES := $(IPC_PACKAGES)
