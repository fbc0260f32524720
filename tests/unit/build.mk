# The contract: rings, doorbells, words, and its specification
CONTRACT_TESTS := ring_basic ring_model ring_threads ring_hostile \
	doorbell_rings doorbell_threads protocol_words protocol_litmus
TESTS += $(CONTRACT_TESTS)
$(foreach t,$(CONTRACT_TESTS),$(eval $(t)_SOURCES := tests/unit/$(t).c))
$(foreach t,$(CONTRACT_TESTS),$(eval $(t)_PACKAGES := check))
