# SPDX-License-Identifier: GPL-2.0-only
.PHONY: liar
liar: module # the module of a lying guest, for the cases of the lab
	@echo "  KBUILD  liar"
	+$(Q)tests/liar/build $(KDIR)
