// SPDX-License-Identifier: GPL-2.0-only
/*
 * exposure.c - the pages that a program sees of its circuit
 *
 * The index page, then both areas, each twice in a row. mmap() comes with the
 * process's mmap_lock held, under which a socket's lock must not be taken (a
 * copy from user memory takes them the other way round). So attaching makes a
 * struct sb_exposure, found under a lock of its own, which holds a reference on
 * every page. Each area of a process that maps it holds one on that. Pages are
 * given to nobody else while somebody has such a reference, or one from
 * get_user_pages(): see sb_exposure_in_use().
 *
 * Pages are put into a page table when they are first touched, with those
 * around them: most programs use one direction, and many the first copy only.
 */
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "switchboard.h"

/**
 * struct sb_exposure - the pages that a socket shows
 * @ref:   of the socket while it is attached, and of each area of a process
 * @order: of the circuit's areas
 * @count: of @page
 * @spare: of another guest's circuit: what is seen when that is gone; or NULL
 * @lock:  of another guest's circuit: guards what follows, and what is mapped
 * @gone:  another guest's pages are not there any more
 * @failed: because they could not be shown
 * @touched: something of the owner's area, of the peer's, was seen, and so
 *         maybe written
 * @view:  PV: the area that shows another guest's circuit, or NULL
 * @domain: PV: that guest
 * @gref:  PV: its grants, instead of pages; or NULL
 * @page:  of the circuit, each referenced unless it is another guest's
 */
struct sb_exposure {
	struct kref ref;
	unsigned int order;
	unsigned int count;
	struct page *spare;
	struct mutex lock;
	bool gone;
	bool failed;
	bool touched[2];
	struct sb_view *view;
	domid_t domain;
	u32 *gref;
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
	kvfree(m->gref);
	kvfree(m);
}

static void exposure_put(struct sb_exposure *m)
{
	kref_put(&m->ref, exposure_free);
}

static unsigned long area_pages(unsigned int order)
{
	return 1 + (4ul << order);
}

/* Another guest's pages, and this is a PV guest */
static bool is_granted(struct sb_circuit *c)
{
	return c->foreign && sb_callee_of(c)->map->gref;
}

bool sb_exposure_possible(struct sb_circuit *c)
{
	return !is_granted(c) || sb_view_possible(area_pages(c->order));
}

/* What another guest's circuit needs besides */
static bool take_foreign(struct sb_exposure *m, struct sb_circuit *c)
{
	const u32 *gref = sb_callee_of(c)->map->gref;

	m->spare = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!m->spare || !gref)
		return m->spare;
	m->domain = sb_callee_of(c)->line->domain;
	m->gref = kvcalloc(c->pages, sizeof(*gref), GFP_KERNEL);
	if (m->gref)
		memcpy(m->gref, gref, c->pages * sizeof(*gref));
	return m->gref;
}

static void take_pages(struct sb_exposure *m, struct sb_circuit *c)
{
	struct page **page = c->foreign ? sb_callee_of(c)->map->page : c->page;

	for (; m->count < c->pages; m->count++) {
		m->page[m->count] = page[m->count];
		if (!m->spare)
			get_page(m->page[m->count]);
	}
}

struct sb_exposure *sb_exposure_create(struct sb_circuit *c)
{
	struct sb_exposure *m;

	m = kvzalloc(struct_size(m, page, is_granted(c) ? 0 : c->pages),
		     GFP_KERNEL);
	if (!m)
		return NULL;
	kref_init(&m->ref);
	mutex_init(&m->lock);
	m->order = c->order;
	if (c->foreign && !take_foreign(m, c)) {
		exposure_put(m);
		return NULL;
	}
	if (!m->gref)
		take_pages(m, c);
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

void sb_exposure_set(struct sb_sock *sb, struct sb_exposure *m)
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
	return area_pages(m->order);
}

unsigned long sb_exposure_bytes(const struct sb_exposure *m)
{
	return exposure_pages(m) * PAGE_SIZE;
}

/*
 * Page @n of what a program sees, in @m->page: index page, the owner's tx
 * twice, its rx twice
 */
static unsigned long page_of(const struct sb_exposure *m, unsigned long n)
{
	unsigned long area = 1ul << m->order;

	if (n == 0)
		return 0;
	n--;
	return 1 + (n / (2 * area)) * area + n % area;
}

/**
 * struct window - pages that are shown together, of one copy of one area
 * @first: the first of them, as the program counts
 * @count: how many
 */
struct window {
	unsigned long first;
	unsigned long count;
};

static struct window window_of(const struct sb_exposure *m, unsigned long n)
{
	unsigned long count = min(SB_SHOWN_PAGES, 1ul << m->order);
	struct window w = { .first = 0, .count = 1 };

	if (n > 0) {
		w.first = 1 + round_down(n - 1, count);
		w.count = count;
	}
	return w;
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

/* Another thread may have come before, and a program throws away what it likes */
static int show(struct vm_area_struct *vma, struct sb_exposure *m,
		const struct window *w)
{
	struct page **end = &m->page[page_of(m, w->first) + w->count];
	unsigned long last = vma->vm_start + (w->first + w->count) * PAGE_SIZE;
	unsigned long left = w->count;
	int error = 0;

	while (left && !error) {
		error = vm_insert_pages(vma, last - left * PAGE_SIZE,
					end - left, &left);
		if (error != -EBUSY)
			continue;
		error = 0;
		left--;
	}
	return error;
}

static vm_fault_t area_fault(struct vm_fault *vmf)
{
	struct sb_exposure *m = vmf->vma->vm_private_data;
	struct window w;

	if (vmf->pgoff >= exposure_pages(m))
		return VM_FAULT_SIGBUS;
	w = window_of(m, vmf->pgoff);
	return show(vmf->vma, m, &w) ? VM_FAULT_OOM : VM_FAULT_NOPAGE;
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
 * sb_exposure_withdraw(). Who touches the memory afterwards finds a page of zeros.
 */
static int place(pte_t *pte, unsigned long address, void *opaque)
{
	struct vm_area_struct *vma = opaque;
	struct sb_exposure *m = vma->vm_private_data;
	unsigned long n = (address - vma->vm_start) / PAGE_SIZE;
	struct page *page = m->gone ? m->spare : m->page[page_of(m, n)];

	if (pte_none(*pte))
		set_pte_at(vma->vm_mm, address, pte,
			   pte_mkspecial(pfn_pte(page_to_pfn(page),
						 vma->vm_page_prot)));
	return 0;
}

/* Lock held */
static void note_touch(struct sb_exposure *m, const struct window *w)
{
	if (w->first > 0)
		m->touched[w->first > 2ul << m->order] = true;
}

/* Lock held */
static int place_window(struct vm_area_struct *vma, const struct window *w)
{
	return apply_to_page_range(vma->vm_mm,
				   vma->vm_start + w->first * PAGE_SIZE,
				   w->count * PAGE_SIZE, place, vma);
}

static vm_fault_t foreign_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct sb_exposure *m = vma->vm_private_data;
	struct window w;
	int error;

	if (vmf->pgoff >= exposure_pages(m))
		return VM_FAULT_SIGBUS;
	w = window_of(m, vmf->pgoff);
	mutex_lock(&m->lock);
	note_touch(m, &w);
	error = place_window(vma, &w);
	mutex_unlock(&m->lock);
	return error ? VM_FAULT_OOM : VM_FAULT_NOPAGE;
}

static const struct vm_operations_struct foreign_ops = {
	.open = area_open,
	.close = area_close,
	.may_split = area_may_split,
	.fault = foreign_fault,
};

/* ---- the same in a PV guest: by grant operations, see view.c ---- */

/* Lock held */
static void end_view(struct sb_exposure *m)
{
	m->gone = true;
	if (m->view)
		sb_view_end(m->view);
}

/* The other guest took its grant away, is no more, or there are no handles */
static void give_up(struct sb_exposure *m)
{
	mutex_lock(&m->lock);
	if (!m->gone) {
		m->failed = true;
		sb_count(&sb_counters.views_failed);
		end_view(m);
	}
	mutex_unlock(&m->lock);
}

/* Lock held: zeros, when there is nothing else. 0 or -errno */
static int place_spare(struct vm_area_struct *vma, struct sb_exposure *m,
		       const struct window *w)
{
	return m->gone ? place_window(vma, w) : 0;
}

static vm_fault_t view_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct sb_exposure *m = vma->vm_private_data;
	struct window w;
	int error;

	if (vmf->pgoff >= exposure_pages(m))
		return VM_FAULT_SIGBUS;
	w = window_of(m, vmf->pgoff);
	mutex_lock(&m->lock);
	note_touch(m, &w);
	mutex_unlock(&m->lock);
	/* it stays while there is the area */
	error = sb_view_show(m->view, vma, w.first, w.count);
	if (error == -EACCES) {
		give_up(m);
		error = 0;
	}
	mutex_lock(&m->lock);
	error = error ?: place_spare(vma, m, &w);
	mutex_unlock(&m->lock);
	return error ? VM_FAULT_OOM : VM_FAULT_NOPAGE;
}

/* mmap_lock held for writing */
static void drop_view(struct sb_exposure *m)
{
	struct sb_view *v = m->view;

	mutex_lock(&m->lock);
	sb_view_end(v);
	m->view = NULL;
	mutex_unlock(&m->lock);
	sb_view_free(v);
}

static void view_close(struct vm_area_struct *vma)
{
	struct sb_exposure *m = vma->vm_private_data;

	/* not of a copy that mremap() made and gave up, see view_moved() */
	if (m->view && sb_view_is_of(m->view, vma))
		drop_view(m);
	area_close(vma);
}

/* Xen knows the entries by where they are */
static int view_moved(struct vm_area_struct *vma)
{
	return -EINVAL;
}

static const struct vm_operations_struct view_ops = {
	.open = area_open,
	.close = view_close,
	.may_split = area_may_split,
	.mremap = view_moved,
	.fault = view_fault,
};

/* Each page of the area: which grant it is */
static u32 *list_grants(const struct sb_exposure *m)
{
	unsigned long n, pages = exposure_pages(m);
	u32 *gref = kvcalloc(pages, sizeof(*gref), GFP_KERNEL);

	for (n = 0; gref && n < pages; n++)
		gref[n] = m->gref[page_of(m, n)];
	return gref;
}

/* Lock held, so that who withdraws finds it. Returns 0 or -errno */
static int set_view(struct sb_exposure *m, struct sb_view *v)
{
	if (m->view)
		return -EBUSY;
	if (m->gone)
		return -ENOTCONN;
	m->view = v;
	return 0;
}

/*
 * The index page at once: when Xen does not let us have that, the program can
 * still copy
 */
static int make_view(struct vm_area_struct *vma, struct sb_exposure *m)
{
	u32 *gref = list_grants(m);
	struct sb_view *v;
	int error;

	if (!gref)
		return -ENOMEM;
	v = sb_view_create(vma, m->domain, gref, &m->lock);
	if (IS_ERR(v))
		return PTR_ERR(v);
	mutex_lock(&m->lock);
	error = set_view(m, v);
	mutex_unlock(&m->lock);
	if (error) {
		sb_view_free(v);
		return error;
	}
	error = sb_view_show(v, vma, 0, 1);
	if (!error)
		return 0;
	sb_count(&sb_counters.views_failed);
	drop_view(m);
	return error == -EACCES ? -EOPNOTSUPP : error;
}

/* ---- */

bool sb_exposure_failed(const struct sb_sock *sb)
{
	return sb->exposure && READ_ONCE(sb->exposure->failed);
}

/* Nobody sees another guest's circuit from here on */
void sb_exposure_withdraw(struct sb_sock *sb)
{
	struct socket *sock = sb->sk.sk_socket;
	struct sb_exposure *m = sb->exposure;

	mutex_lock(&m->lock);
	end_view(m);
	mutex_unlock(&m->lock);
	/* an area holds the file, and the file the socket */
	if (sock && !m->gref)
		unmap_mapping_range(SOCK_INODE(sock)->i_mapping, 0, 0, 1);
}

/*
 * What was put there and not sent is not for the next who looks, in either
 * guest, and the owner only knows of what was sent. It may just be writing
 * what we read: that is left to sb_callee_leave().
 */
void sb_exposure_clean(struct sb_sock *sb)
{
	struct sb_exposure *m = sb->exposure;
	struct sb_circuit *c = sb->circuit;

	memset(c->index->reserved, 0, sizeof(c->index->reserved));
	/* after a lie nobody knows what was sent, and nobody reads it */
	if (m->touched[SB_PEER] && sb_word_state(sb->own) == SB_WORD_CLOSED)
		memset(sb->tx_area, 0, sb->tx.size);
	else if (m->touched[SB_PEER])
		memset(sb->tx_area + sb_writer_offset(&sb->tx), 0,
		       sb_writer_room(&sb->tx));
	if (m->touched[SB_OWNER])
		c->exposed = true;
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

static const struct vm_operations_struct *ops_of(const struct sb_exposure *m)
{
	if (m->gref)
		return &view_ops;
	return m->spare ? &foreign_ops : &area_ops;
}

static int map_area(struct vm_area_struct *vma, struct sb_exposure *m)
{
	int error = check_area(vma, m);

	if (error)
		return error;
	/* not for children, debuggers' files, or more than there is */
	vma->vm_flags |= VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP;
	vma->vm_flags |= m->spare ? VM_PFNMAP | VM_IO : VM_MIXEDMAP;
	vma->vm_flags &= ~VM_MAYEXEC;
	vma->vm_ops = ops_of(m);
	vma->vm_private_data = m;
	return m->gref ? make_view(vma, m) : 0;
}

/* proto_ops.mmap */
int sb_exposure_mmap(struct file *file, struct socket *sock,
		     struct vm_area_struct *vma)
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

bool sb_exposure_in_use(const struct sb_circuit *c)
{
	unsigned int i;

	if (!c->exposed)
		return false;
	for (i = 0; i < c->pages; i++)
		if (page_count(c->page[i]) > 1)
			return true;
	return false;
}
