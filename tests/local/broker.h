/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * broker.h - the local hypervisor: guests and services are processes
 *
 * services/common/hypervisor_wire.h says what it speaks. It runs as a thread
 * of a test, or as the program local-hypervisor.
 */
#ifndef TESTS_LOCAL_BROKER_H
#define TESTS_LOCAL_BROKER_H

struct broker;

/**
 * broker_start() - serve @directory/hypervisor.sock from a thread
 *
 * Return: the broker, or NULL with errno.
 */
struct broker *broker_start(const char *directory);
/* Stop; guests and services see their connections end */
void broker_stop(struct broker *b);

#endif
