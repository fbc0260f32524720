# SPDX-License-Identifier: GPL-2.0-only
# Examples of libswitchboard; static, to run in guests without libraries
EXAMPLES := circuit-file circuit-store circuit-load
PROGRAMS += $(EXAMPLES)
EXAMPLE_SOURCES := guest/lib/examples/common.c $(LIBRARY_SOURCES)
circuit-file_SOURCES := guest/lib/examples/file.c $(EXAMPLE_SOURCES)
circuit-store_SOURCES := guest/lib/examples/store.c $(EXAMPLE_SOURCES)
circuit-load_SOURCES := guest/lib/examples/load.c $(EXAMPLE_SOURCES)
$(foreach p,$(EXAMPLES),$(eval $(p)_LIBS := $(if $(filter release,$(VARIANT)),-static-pie)))
