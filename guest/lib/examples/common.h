/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * common.h - what the examples share: names, sockets, whole records
 */
#ifndef SWITCHBOARD_EXAMPLES_COMMON_H
#define SWITCHBOARD_EXAMPLES_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <switchboard.h>

/* Tell why, with errno's text, and end the program */
_Noreturn __attribute__((format(printf, 1, 2))) void die(const char *format,
							 ...);

/* A connection to a numeric address, attached; @copy: not in place */
struct switchboard *open_connection(const char *host, const char *port,
				    bool copy);
int open_listener(const char *port);
/* The next connection, attached */
struct switchboard *next_connection(int listener, bool copy);

/* A record of at most switchboard_span() bytes, copied. False: no more */
bool take_record(struct switchboard *s, void *to, size_t bytes);
bool put_record(struct switchboard *s, const void *from, size_t bytes);

/* CRC-32 as in zip, going on from @crc; 0 at the start */
uint32_t check_sum(uint32_t crc, const void *bytes, size_t n);

uint64_t now_us(void);

#endif
