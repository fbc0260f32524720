/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stream.h - what programs do with stream sockets: call, wait, move bytes, map
 * a circuit, listen
 */
#ifndef SB_GUEST_STREAM_H
#define SB_GUEST_STREAM_H

/* ---- connect.c ---- */
int sb_connect(struct socket *sock, struct sockaddr *addr, int bytes,
	       int flags);
/* Call @sb->remote over a circuit of this line; ownership held. 0 or -errno */
int sb_connect_over(struct sb_sock *sb, struct sb_guest_line *line);

/* ---- wait.c ---- */
/*
 * Sleep until the socket is woken, letting go of its lock. The caller arms,
 * and looks again, between _begin() and _sleep(). Returns 0 or, when a signal
 * came or *timeo ran out, the errno to return.
 */
void sb_wait_begin(struct sock *sk, struct wait_queue_entry *wait);
int sb_wait_sleep(struct sock *sk, struct wait_queue_entry *wait, long *timeo);
void sb_wait_end(struct sock *sk, struct wait_queue_entry *wait);

/* ---- doze.c ---- */
/*
 * May this process, which is about to sleep for at most so long, wait in the
 * hypervisor? Then the channel to do it on, else NULL; ownership held
 */
struct sb_channel *sb_doze_begin(struct sb_sock *sb, long timeo);
long sb_doze(struct sb_channel *ch, const struct wait_queue_entry *wait,
	     long timeo);
void sb_doze_end(struct sb_channel *ch);

/* ---- poll.c ---- */
__poll_t sb_poll(struct file *file, struct socket *sock,
		 struct poll_table_struct *table);

/* ---- transfer.c ---- */
int sb_transfer_send(struct socket *sock, struct msghdr *msg, size_t bytes);
int sb_transfer_receive(struct socket *sock, struct msghdr *msg, size_t bytes,
			int flags);
ssize_t sb_transfer_splice_read(struct socket *sock, loff_t *ppos,
				struct pipe_inode_info *pipe, size_t bytes,
				unsigned int flags);
int sb_transfer_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg);
/* Bytes that can be read now */
u32 sb_transfer_readable(struct sb_sock *sb);
/* Ask for a bell at so many bytes held, or so much room: true if there are */
bool sb_transfer_arm_read(struct sb_sock *sb, u32 bytes);
bool sb_transfer_arm_write(struct sb_sock *sb, u32 wanted);

/* ---- exposure.c: the pages that a program sees of its circuit ---- */
int sb_exposure_mmap(struct file *file, struct socket *sock,
		     struct vm_area_struct *vma);
/* May somebody still see the pages of a circuit that no socket has any more? */
bool sb_exposure_in_use(const struct sb_circuit *c);
/* The called end of a direct circuit, in a PV guest: while there is room */
bool sb_exposure_possible(struct sb_circuit *c);
/* All pages of @c, for sb_exposure_set(); or NULL */
struct sb_exposure *sb_exposure_create(struct sb_circuit *c);
/* What the socket shows from here on: @m, whose reference is taken, or NULL */
void sb_exposure_set(struct sb_sock *sb, struct sb_exposure *m);
/* Of address space, to see it all */
unsigned long sb_exposure_bytes(const struct sb_exposure *m);
/* Another guest's pages could not be shown when they were touched */
bool sb_exposure_failed(const struct sb_sock *sb);
/* Nobody sees another guest's circuit any more; ownership held */
void sb_exposure_withdraw(struct sb_sock *sb);
/* Then, with the indexes as they are left: what was not sent is zeroed */
void sb_exposure_clean(struct sb_sock *sb);

/* ---- mmap.c: a program that works on its circuit in place ---- */
int sb_mmap_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg);
/*
 * Take over where an attached program says it is: before anything is written,
 * and before anything is read; ownership held. A lie ends the circuit
 */
void sb_mmap_sync_tx(struct sb_sock *sb);
void sb_mmap_sync_rx(struct sb_sock *sb);
/* The socket gives its circuit back; ownership held */
void sb_mmap_leave(struct sb_sock *sb);

/* ---- accept.c: the queues of a listener ---- */
int sb_accept(struct socket *sock, struct socket *newsock, int flags,
	      bool kern);
/* Post what is missing, soon and in process context */
void sb_accept_post(struct sb_listener *l);
void sb_accept_post_work(struct work_struct *work);
/* A bell for a posted circuit; under RCU */
void sb_accept_bell(struct sb_circuit *c);
/* A posted circuit's line is gone; under RCU */
void sb_accept_lost(struct sb_circuit *c);
/* A circuit of the queues that nobody will accept; under RCU */
void sb_accept_refuse(struct sb_circuit *c, int error);
/* In-guest: connect @c's owner to the listener, or let it wait; or -errno */
int sb_accept_join(struct sb_sock *listening, struct sb_circuit *c);
/* Take a circuit that still waits away; false when it is connected */
bool sb_accept_unjoin(struct sb_circuit *c);
/* The same, and if it waits for accept() */
bool sb_accept_withdraw(struct sb_circuit *c);

/* ---- listen.c ---- */
int sb_accept_listen(struct socket *sock, int backlog);
/* The listener closes: whoever waits is reset or refused; ownership held */
void sb_accept_stop(struct sb_sock *sb);
void sb_accept_free(struct sb_sock *sb);
bool sb_accept_pending(const struct sb_sock *sb);
/* The proxy answered about a listener's entry; spinlock or ownership held */
void sb_accept_look(struct sb_sock *sb);
void sb_accept_options(struct sb_sock *sb);
/* A line is there: publish every listener that is not */
void sb_accept_line_up(void);

/* ---- loopback.c ---- */
bool sb_loopback_wanted(const struct sb_address *remote);
int sb_loopback_connect(struct sb_sock *sb, const struct sb_address *remote);

#endif
