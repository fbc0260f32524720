/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * switchboard.h - what a program needs to work on the circuit of its socket
 *
 * A connected stream socket of the module switchboard.ko is attached with
 * SB_USER_ATTACH, then mapped:
 *
 *   mmap(NULL, circuit.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
 *
 *   0          the index page: struct sb_index_page of protocol/circuit.h
 *   tx_offset  the area that this end writes, twice in a row
 *   rx_offset  the area that this end reads, twice in a row
 *
 * so that a span of an area is contiguous wherever it begins. From then on the
 * indexes of this end in the index page are the program's to move, by the
 * rules of protocol/ring.h; every system call on the socket starts from what
 * it finds there. One thread may write while another reads; calls on the
 * socket count as writing (send, SIOCOUTQ), as reading (recv, FIONREAD), or as
 * looking (poll, SB_USER_WAIT), which disturbs neither.
 *
 * libswitchboard does all this; docs/ZEROCOPY.md tells the whole story.
 */
#ifndef _UAPI_LINUX_SWITCHBOARD_H
#define _UAPI_LINUX_SWITCHBOARD_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SB_USER_VERSION 1u

/**
 * struct sb_user_circuit - what SB_USER_ATTACH says
 * @version:    in: SB_USER_VERSION that the program was built for
 * @side:       out: which line of the index page this end writes, 0 or 1
 * @area_bytes: out: size of each area, a power of two
 * @reserved0:  in: zero
 * @bytes:      out: how much to map
 * @tx_offset:  out: of the area that this end writes
 * @rx_offset:  out: of the area that this end reads
 * @reserved1:  in: zero
 */
struct sb_user_circuit {
	__u32 version;
	__u32 side;
	__u32 area_bytes;
	__u32 reserved0;
	__u64 bytes;
	__u64 tx_offset;
	__u64 rx_offset;
	__u64 reserved1[3];
};

/* Bits of sb_user_wait.events */
#define SB_USER_READ 0x1u /* @read_bytes can be read, or no more will come */
#define SB_USER_WRITE 0x2u /* room for @write_bytes, or writing is over */
#define SB_USER_END 0x4u /* out: what is in the ring is all there will be */
#define SB_USER_BROKEN 0x8u /* out: nobody wants what is written */

/* Values of sb_user_wait.timeout_ms that are no time */
#define SB_USER_AS_SOCKET (-1) /* O_NONBLOCK, SO_RCVTIMEO, SO_SNDTIMEO */
#define SB_USER_FOREVER (-2)

/**
 * struct sb_user_wait - what SB_USER_WAIT waits for, and finds
 * @events:      in: SB_USER_READ, _WRITE; out: those that are true, and
 *               SB_USER_END, _BROKEN
 * @read_bytes:  in: 1 to half an area and one
 * @write_bytes: in: 1 to half an area
 * @timeout_ms:  in: how long, or one of the values above
 * @error:       out: with _END or _BROKEN, why: an errno, or 0 after an orderly
 *               end; of the direction that was asked for
 * @reserved:    in: zero
 */
struct sb_user_wait {
	__u32 events;
	__u32 read_bytes;
	__u32 write_bytes;
	__s32 timeout_ms;
	__u32 error;
	__u32 reserved[3];
};

#define SB_USER_MAGIC 0xba

/* EINVAL: version, reserved fields; ENOTCONN; EBUSY: is attached; EOPNOTSUPP */
#define SB_USER_ATTACH _IOWR(SB_USER_MAGIC, 1, struct sb_user_circuit)
/* The kernel moves the indexes again. EINVAL: is not; EPROTO: they are wrong */
#define SB_USER_DETACH _IO(SB_USER_MAGIC, 2)
/* The other end asked to be woken. EPIPE: nobody wants what is written */
#define SB_USER_RING _IO(SB_USER_MAGIC, 3)
/* EAGAIN: not now, or time is over; EPROTO: the indexes are wrong */
#define SB_USER_WAIT _IOWR(SB_USER_MAGIC, 4, struct sb_user_wait)

#endif
