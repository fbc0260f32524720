// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap.c - a program that works on its circuit in place
 *
 * SB_USER_ATTACH hands the indexes of one end to the program; mmap() then maps
 * the circuit's pages, the areas twice in a row. From then on what the index
 * page says of this end is the program's claim, not our memory: every call on
 * the socket starts with sb_mmap_sync_tx() or _rx(), which load it once, check
 * it as if it came from a stranger, and end the circuit when it cannot be.
 *
 * mmap() comes with the process's mmap_lock held, under which a socket's lock
 * must not be taken (a copy from user memory takes them the other way round).
 * So attaching makes a struct sb_exposure, found under a lock of its own, which
 * holds a reference on every page. Each area of a process that maps it holds
 * one on that. Pages are given to nobody else while somebody has such a
 * reference, or one from get_user_pages(): see sb_mmap_in_use().
 */
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "switchboard.h"
#include "include/uapi/linux/switchboard.h"

/* Loads of one's own index before another thread's storing is a lie */
#define SYNC_TRIES 100

/**
 * struct sb_exposure - the pages that a socket shows
 * @ref:   of the socket while it is attached, and of each area of a process
 * @order: of the circuit's areas
 * @count: of @page
 * @spare: of another guest's circuit: what is seen when that is gone; or NULL
 * @lock:  of another guest's circuit: guards @gone and what is mapped
 * @gone:  another guest's pages are not there any more
 * @page:  of the circuit, each referenced unless it is another guest's
 */
struct sb_exposure {
	struct kref ref;
	unsigned int order;
	unsigned int count;
	struct page *spare;
	struct mutex lock;
	bool gone;
	struct page *page[];
};

/* sb_sock.exposure, for those who do not own the socket */
static DEFINE_SPINLOCK(exposure_lock);

static void exposure_free(struct kref *ref)
{
	struct sb_exposure *m = container_of(ref, struct sb_exposure, ref);
	unsigned int i;

	if (m->spare)
		put_page(m->spare);
	for (i = 0; !m->spare && i < m->count; i++)
		put_page(m->page[i]);
	kfree(m);
}

static void exposure_put(struct sb_exposure *m)
{
	kref_put(&m->ref, exposure_free);
}

/* Where a circuit's pages are listed; NULL for another guest's, on PV */
static struct page **pages_of(struct sb_circuit *c)
{
	return c->foreign ? sb_callee_of(c)->map->page : c->page;
}

static struct sb_exposure *exposure_create(struct sb_circuit *c)
{
	struct page **page = pages_of(c);
	struct sb_exposure *m;

	m = kzalloc(struct_size(m, page, c->pages), GFP_KERNEL);
	if (!m)
		return NULL;
	kref_init(&m->ref);
	mutex_init(&m->lock);
	m->order = c->order;
	if (c->foreign) {
		m->spare = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!m->spare) {
			kfree(m);
			return NULL;
		}
	}
	for (; m->count < c->pages; m->count++) {
		m->page[m->count] = page[m->count];
		if (!m->spare)
			get_page(m->page[m->count]);
	}
	return m;
}

static struct sb_exposure *exposure_get(struct sb_sock *sb)
{
	struct sb_exposure *m;

	spin_lock(&exposure_lock);
	m = sb->exposure;
	if (m)
		kref_get(&m->ref);
	spin_unlock(&exposure_lock);
	return m;
}

static void exposure_set(struct sb_sock *sb, struct sb_exposure *m)
{
	struct sb_exposure *old;

	spin_lock(&exposure_lock);
	old = sb->exposure;
	sb->exposure = m;
	spin_unlock(&exposure_lock);
	if (old)
		exposure_put(old);
}

/* ---- areas of processes ---- */

static unsigned long exposure_pages(const struct sb_exposure *m)
{
	return 1 + (4ul << m->order);
}

/* Page @n of what a program sees: index page, tx, tx, rx, rx */
static struct page *page_at(const struct sb_exposure *m, unsigned long n)
{
	unsigned long area = 1ul << m->order;

	if (n == 0)
		return m->page[0];
	n--;
	return m->page[1 + (n / (2 * area)) * area + n % area];
}

static void area_open(struct vm_area_struct *vma)
{
	struct sb_exposure *m = vma->vm_private_data;

	kref_get(&m->ref);
}

static void area_close(struct vm_area_struct *vma)
{
	exposure_put(vma->vm_private_data);
}

/* A circuit is mapped as a whole or not at all */
static int area_may_split(struct vm_area_struct *vma, unsigned long at)
{
	return -EINVAL;
}

/* Only what the program itself threw away, with madvise(), comes here */
static vm_fault_t area_fault(struct vm_fault *vmf)
{
	const struct sb_exposure *m = vmf->vma->vm_private_data;

	if (vmf->pgoff >= exposure_pages(m))
		return VM_FAULT_SIGBUS;
	vmf->page = page_at(m, vmf->pgoff);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct area_ops = {
	.open = area_open,
	.close = area_close,
	.may_split = area_may_split,
	.fault = area_fault,
};

/*
 * Another guest's pages. Its grants must end when it says so, whatever a
 * program does: so these are page table entries that nobody can take a
 * reference through, put there by the first access, and taken away in
 * withdraw(). Who touches the memory afterwards finds a page of zeros.
 */
static int place(pte_t *pte, unsigned long address, void *opaque)
{
	struct vm_area_struct *vma = opaque;
	struct sb_exposure *m = vma->vm_private_data;
	unsigned long n = (address - vma->vm_start) / PAGE_SIZE;
	struct page *page = m->gone ? m->spare : page_at(m, n);

	if (pte_none(*pte))
		set_pte_at(vma->vm_mm, address, pte,
			   pte_mkspecial(pfn_pte(page_to_pfn(page),
						 vma->vm_page_prot)));
	return 0;
}

static vm_fault_t foreign_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct sb_exposure *m = vma->vm_private_data;
	int error;

	mutex_lock(&m->lock);
	error = apply_to_page_range(vma->vm_mm, vma->vm_start,
				    vma->vm_end - vma->vm_start, place, vma);
	mutex_unlock(&m->lock);
	return error ? VM_FAULT_OOM : VM_FAULT_NOPAGE;
}

static const struct vm_operations_struct foreign_ops = {
	.open = area_open,
	.close = area_close,
	.may_split = area_may_split,
	.fault = foreign_fault,
};

/* The socket gives another guest's circuit back: nobody sees it from here on */
static void withdraw(struct sb_sock *sb, struct sb_exposure *m)
{
	struct socket *sock = sb->sk.sk_socket;

	mutex_lock(&m->lock);
	m->gone = true;
	mutex_unlock(&m->lock);
	/* an area holds the file, and the file the socket */
	if (sock)
		unmap_mapping_range(SOCK_INODE(sock)->i_mapping, 0, 0, 1);
	/* what was put there and not sent is not for the next who looks */
	memset(sb->tx_area + sb_writer_offset(&sb->tx), 0,
	       sb_writer_room(&sb->tx));
}

static int check_area(struct vm_area_struct *vma, const struct sb_exposure *m)
{
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	if (!(vma->vm_flags & VM_SHARED) || vma->vm_pgoff ||
	    vma_pages(vma) != exposure_pages(m))
		return -EINVAL;
	return 0;
}

static int map_area(struct vm_area_struct *vma, struct sb_exposure *m)
{
	unsigned long n;
	int error;

	error = check_area(vma, m);
	if (error)
		return error;
	/* not for children, debuggers' files, or more than there is */
	vma->vm_flags |= VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP;
	vma->vm_flags |= m->spare ? VM_PFNMAP | VM_IO : VM_MIXEDMAP;
	vma->vm_flags &= ~VM_MAYEXEC;
	for (n = 0; !m->spare && n < vma_pages(vma); n++) {
		error = vm_insert_page(vma, vma->vm_start + n * PAGE_SIZE,
				       page_at(m, n));
		if (error)
			return error;
	}
	vma->vm_ops = m->spare ? &foreign_ops : &area_ops;
	vma->vm_private_data = m;
	return 0;
}

/* proto_ops.mmap */
int sb_mmap(struct file *file, struct socket *sock, struct vm_area_struct *vma)
{
	struct sb_exposure *m = exposure_get(sb_sk(sock->sk));
	int error;

	if (!m)
		return -ENOTCONN;
	error = map_area(vma, m);
	if (error)
		exposure_put(m);
	return error;
}

bool sb_mmap_in_use(const struct sb_circuit *c)
{
	unsigned int i;

	if (!c->exposed)
		return false;
	for (i = 0; i < c->pages; i++)
		if (page_count(c->page[i]) > 1)
			return true;
	return false;
}

/* ---- what the program claims; ownership held ---- */

/*
 * Own index and the other side's, the latter loaded while the former was what
 * it says: a thread of the program may be moving it. False when they cannot be
 */
static bool snapshot(const u32 *own, const u32 *others, u32 *mine, u32 *theirs)
{
	int i;

	for (i = 0; i < SYNC_TRIES; i++) {
		*mine = sb_load_full(own);
		*theirs = sb_load_full(others);
		if (sb_load_full(own) == *mine)
			return true;
	}
	return false;
}

static void lie(struct sb_sock *sb)
{
	if (sb_word_state(sb->own) != SB_WORD_CLOSED)
		sb_stream_lie(sb, "index, or the program's own,");
}

/* Is there a program whose indexes must be asked for, on a circuit? */
static bool is_attached(const struct sb_sock *sb)
{
	return test_bit(SB_SOCK_ATTACHED, &sb->flags) && sb->circuit;
}

void sb_mmap_sync_tx(struct sb_sock *sb)
{
	struct sb_writer *w = &sb->tx;
	u32 produced, consumed;

	if (!is_attached(sb))
		return;
	if (!snapshot(&w->mine->produced, &w->peer->consumed, &produced,
		      &consumed) ||
	    produced - consumed > w->size) {
		lie(sb);
		return;
	}
	w->produced = produced;
	w->published = produced;
	w->consumed = consumed;
}

void sb_mmap_sync_rx(struct sb_sock *sb)
{
	struct sb_reader *r = &sb->rx;
	u32 consumed, produced;

	if (!is_attached(sb))
		return;
	if (!snapshot(&r->mine->consumed, &r->peer->produced, &consumed,
		      &produced) ||
	    produced - consumed > r->size) {
		lie(sb);
		return;
	}
	r->consumed = consumed;
	r->released = consumed;
	r->produced = produced;
}

void sb_mmap_leave(struct sb_sock *sb)
{
	if (!test_bit(SB_SOCK_ATTACHED, &sb->flags))
		return;
	if (sb->exposure->spare) {
		sb_mmap_sync_tx(sb);
		withdraw(sb, sb->exposure);
	}
	clear_bit(SB_SOCK_ATTACHED, &sb->flags);
	exposure_set(sb, NULL);
}

/* ---- the ioctls ---- */

/* Socket lock held: 0 when there is a circuit that can be shown */
static int check_attach(const struct sb_sock *sb)
{
	struct sb_circuit *c = sb->circuit;

	if (test_bit(SB_SOCK_ATTACHED, &sb->flags))
		return -EBUSY;
	if (!c || c->kind != SB_ENTRY_STREAM || sb->sk.sk_state == TCP_SYN_SENT)
		return -ENOTCONN;
	return pages_of(c) ? 0 : -EOPNOTSUPP;
}

static int attach_locked(struct sb_sock *sb, struct sb_user_circuit *u)
{
	int error = sb_grow_for_program(sb) ?: check_attach(sb);
	struct sb_circuit *c = sb->circuit;
	struct sb_exposure *m;

	if (error)
		return error;
	m = exposure_create(c);
	if (!m)
		return -ENOMEM;
	/* what a former program of this circuit left there is not true */
	sb_store_full(&sb->tx.mine->produced, sb->tx.published);
	sb_store_full(&sb->rx.mine->consumed, sb->rx.released);
	c->exposed = true;
	exposure_set(sb, m);
	set_bit(SB_SOCK_ATTACHED, &sb->flags);
	u->side = sb->side;
	u->area_bytes = sb->tx.size;
	u->bytes = exposure_pages(m) * PAGE_SIZE;
	u->tx_offset = PAGE_SIZE + (sb->side == SB_OWNER ? 0 : 2 * sb->tx.size);
	u->rx_offset = PAGE_SIZE + (sb->side == SB_OWNER ? 2 * sb->tx.size : 0);
	return 0;
}

static int user_attach(struct sock *sk, void __user *arg)
{
	struct sb_user_circuit u;
	int error;

	if (copy_from_user(&u, arg, sizeof(u)))
		return -EFAULT;
	if (u.version != SB_USER_VERSION || u.reserved0 ||
	    memchr_inv(u.reserved1, 0, sizeof(u.reserved1)))
		return -EINVAL;
	lock_sock(sk);
	error = attach_locked(sb_sk(sk), &u);
	release_sock(sk);
	if (error)
		return error;
	/* who cannot be told is attached all the same, and may detach */
	return copy_to_user(arg, &u, sizeof(u)) ? -EFAULT : 0;
}

static int user_detach(struct sock *sk)
{
	struct sb_sock *sb = sb_sk(sk);
	int error = 0;

	lock_sock(sk);
	if (test_bit(SB_SOCK_ATTACHED, &sb->flags)) {
		sb_mmap_sync_tx(sb);
		sb_mmap_sync_rx(sb);
		if (sk->sk_err == EPROTO)
			error = -EPROTO;
		sb_mmap_leave(sb);
	} else {
		error = -EINVAL;
	}
	release_sock(sk);
	return error;
}

/* Nobody wants what is written any more */
static bool writing_is_over(const struct sb_sock *sb)
{
	return sb->sk.sk_err || sb->sk.sk_shutdown & SEND_SHUTDOWN ||
	       sb->seen & SB_WORD_STOP;
}

static int user_ring(struct sock *sk)
{
	struct sb_sock *sb = sb_sk(sk);
	int error = -ENOTCONN;

	lock_sock(sk);
	if (sb->circuit && sb->circuit->kind == SB_ENTRY_STREAM) {
		sb_circuit_ring(sb->circuit, sb->side);
		error = writing_is_over(sb) ? -EPIPE : 0;
	}
	release_sock(sk);
	return error;
}

/* Arms the ring when there is less than what is wanted */
static void look_to_read(struct sb_sock *sb, struct sb_user_wait *u)
{
	struct sock *sk = &sb->sk;

	sb_mmap_sync_rx(sb);
	if (sb_transfer_arm_read(sb, u->read_bytes))
		u->events |= SB_USER_READ;
	if (!(sk->sk_shutdown & RCV_SHUTDOWN) && !sk->sk_err &&
	    sk->sk_state != TCP_CLOSE)
		return;
	u->events |= SB_USER_READ | SB_USER_END;
	if (!sock_flag(sk, SOCK_DONE))
		u->error = sk->sk_err;
}

static void look_to_write(struct sb_sock *sb, struct sb_user_wait *u)
{
	sb_mmap_sync_tx(sb);
	/* woken from a third on, see sb_stream_write_space() */
	if (sb_writer_room(&sb->tx) >= u->write_bytes ||
	    sb_transfer_arm_write(sb, max(u->write_bytes,
					  sb_stream_room_wanted(sb))))
		u->events |= SB_USER_WRITE;
	if (!writing_is_over(sb))
		return;
	u->events |= SB_USER_WRITE | SB_USER_BROKEN;
	u->error = sb->sk.sk_err;
}

/* What is true now of @events. 0 or the errno of this call */
static int look(struct sb_sock *sb, struct sb_user_wait *u, u32 events)
{
	u->events = 0;
	u->error = 0;
	if (!sb->circuit && sb->sk.sk_err) {
		/* taken away, with the guest at the other end */
		u->events = events | SB_USER_END | SB_USER_BROKEN;
		u->error = sb->sk.sk_err;
		return 0;
	}
	if (!is_attached(sb))
		return -EINVAL;
	if ((events & SB_USER_READ &&
	     (!u->read_bytes || u->read_bytes > sb->rx.size / 2 + 1)) ||
	    (events & SB_USER_WRITE &&
	     (!u->write_bytes || u->write_bytes > sb->tx.size / 2)))
		return -EINVAL;
	/* the word before the indexes: what came before an end is seen */
	sb_stream_look(sb);
	if (events & SB_USER_READ)
		look_to_read(sb, u);
	if (events & SB_USER_WRITE)
		look_to_write(sb, u);
	return 0;
}

static int wait_locked(struct sb_sock *sb, struct sb_user_wait *u, long timeo)
{
	struct wait_queue_entry wait;
	u32 events = u->events;
	int error;

	sb_wait_begin(&sb->sk, &wait);
	for (;;) {
		error = look(sb, u, events);
		if (error || u->events)
			break;
		error = sb_wait_sleep(&sb->sk, &wait, &timeo);
		if (error)
			break;
	}
	sb_wait_end(&sb->sk, &wait);
	return error;
}

static long wait_time(struct socket *sock, const struct sb_user_wait *u)
{
	bool nonblock = sock->file && sock->file->f_flags & O_NONBLOCK;

	if (u->timeout_ms == SB_USER_FOREVER)
		return MAX_SCHEDULE_TIMEOUT;
	if (u->timeout_ms >= 0)
		return msecs_to_jiffies(u->timeout_ms);
	return u->events & SB_USER_READ ? sock_rcvtimeo(sock->sk, nonblock)
					: sock_sndtimeo(sock->sk, nonblock);
}

static int user_wait(struct socket *sock, void __user *arg)
{
	struct sock *sk = sock->sk;
	struct sb_user_wait u;
	int error;

	if (copy_from_user(&u, arg, sizeof(u)))
		return -EFAULT;
	if (!u.events || u.events & ~(SB_USER_READ | SB_USER_WRITE) ||
	    u.timeout_ms < SB_USER_FOREVER ||
	    memchr_inv(u.reserved, 0, sizeof(u.reserved)))
		return -EINVAL;
	lock_sock(sk);
	error = wait_locked(sb_sk(sk), &u, wait_time(sock, &u));
	release_sock(sk);
	if (error)
		return error;
	return copy_to_user(arg, &u, sizeof(u)) ? -EFAULT : 0;
}

/* Unlocked. What is none of ours goes on to sb_control_ioctl() */
int sb_mmap_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	void __user *argument = (void __user *)arg;

	switch (cmd) {
	case SB_USER_ATTACH:
		return user_attach(sock->sk, argument);
	case SB_USER_DETACH:
		return user_detach(sock->sk);
	case SB_USER_RING:
		return user_ring(sock->sk);
	case SB_USER_WAIT:
		return user_wait(sock, argument);
	default:
		return sb_control_ioctl(sock, cmd, arg);
	}
}
