# SPDX-License-Identifier: GPL-2.0-only
# The broker
OPERATOR_CONFIG := $(addprefix services/operator/,config.c config_guest.c \
	config_place.c config_reader.c)
OPERATOR_PARTS := $(OPERATOR_CONFIG) $(addprefix services/operator/,book.c \
	host.c policy.c published.c)

PROGRAMS += switchboard-operator
switchboard-operator_SOURCES := $(addprefix services/operator/,main.c guests.c \
	lines.c introductions.c introduction_book.c turns.c requests.c questions.c proxies.c reports.c answers.c trunk.c) $(OPERATOR_PARTS) \
	$(COMMON_SOURCES) $(HYPERVISOR_SOURCES)
switchboard-operator_PACKAGES := jansson $(COMMON_PACKAGES) \
	$(HYPERVISOR_PACKAGES)

# = and not :=, for what tests/local/build.mk defines later
TESTS += operator_service operator_questions operator_hostile operator_away
OPERATOR_SCENE = $(addprefix tests/unit/,operator_scene.c operator_stage.c) \
	$(LOCAL_STAGE_SOURCES)
operator_service_SOURCES = tests/unit/operator_service.c $(OPERATOR_SCENE)
operator_service_PACKAGES := check $(IPC_PACKAGES)
operator_questions_SOURCES = tests/unit/operator_questions.c $(OPERATOR_SCENE)
operator_questions_PACKAGES := $(operator_service_PACKAGES)
operator_away_SOURCES = tests/unit/operator_away.c $(OPERATOR_SCENE)
operator_away_PACKAGES := $(operator_service_PACKAGES)
operator_hostile_SOURCES = tests/unit/operator_hostile.c $(OPERATOR_SCENE)
operator_hostile_PACKAGES := $(operator_service_PACKAGES)
$(addprefix $(BUILD)/bin/,operator_service operator_questions operator_hostile operator_away): | \
	$(BUILD)/bin/switchboard-operator $(BUILD)/bin/switchboard

TESTS += config_file policy_rules operator_introductions
OPERATOR_UNITS := $(OPERATOR_PARTS) $(addprefix services/common/,address.c \
	log.c) ipc/messages.c
config_file_SOURCES := tests/unit/config_file.c $(OPERATOR_UNITS)
config_file_PACKAGES := check jansson libsystemd
policy_rules_SOURCES := tests/unit/policy_rules.c $(OPERATOR_UNITS)
policy_rules_PACKAGES := check jansson libsystemd
operator_introductions_SOURCES := tests/unit/operator_introductions.c \
	tests/unit/operator_meeting.c $(addprefix services/operator/,introductions.c introduction_book.c) \
	$(OPERATOR_UNITS)
operator_introductions_PACKAGES := check jansson libsystemd
