// SPDX-License-Identifier: GPL-2.0-only
/*
 * view.c - another guest's pages in the page table of a PV guest's program
 *
 * Xen lets only a grant operation put a foreign frame into a page table, and
 * only a grant operation take it out again: an entry that Linux overwrites, or
 * frees with its page table, stays a mapping that nobody can end any more. So
 * each page that a program sees is a grant of its own, mapped at its entry,
 * and everything that would touch the entry comes after it is gone:
 *
 * - munmap(), mprotect(), mremap(), exit() and exec() say beforehand what they
 *   are about to do (an MMU notifier), and fork() is told not to copy;
 * - the area is VM_PFNMAP and VM_IO, and its entries are "special": whatever
 *   looks for pages to age, swap, merge, move or pin leaves them alone;
 * - the bit that says "written since somebody asked" is set from the start, so
 *   that two threads that fault at once find nothing to add.
 *
 * Entries are found by those who hold mmap_lock, under which a page table stays
 * where it is as long as its area does; they are filled and emptied under the
 * lock of the exposure, which the notifier takes as well. The called kernel's
 * own mapping of the same pages knows nothing of all that.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/slab.h>
#include <xen/page.h>
#include <asm/xen/hypercall.h>

#include "switchboard.h"

/* In an entry, by the names of the bits: special, and written to */
#define ENTRY_FLAGS                                                  \
	(_PAGE_SPECIAL >> _PAGE_BIT_SOFTW1 << _GNTMAP_guest_avail0 | \
	 _PAGE_SOFT_DIRTY >> _PAGE_BIT_SOFTW1 << _GNTMAP_guest_avail0)

/**
 * struct sb_view - what one area of a process shows
 * @notifier: of what happens to the area
 * @start:    its first address
 * @lock:     the exposure's: guards @over, @handle and what follows
 * @domain:   whose pages
 * @count:    of the area
 * @over:     nothing is shown any more
 * @gref:     of each page
 * @handle:   of each page that is mapped
 * @place:    machine address of the page table's entry, then
 * @map:      operations under way
 * @unmap:    the same
 */
struct sb_view {
	struct mmu_interval_notifier notifier;
	unsigned long start;
	struct mutex *lock;
	domid_t domain;
	unsigned int count;
	bool over;
	u32 *gref;
	grant_handle_t *handle;
	u64 *place;
	union {
		struct gnttab_map_grant_ref map[SB_SHOWN_PAGES];
		struct gnttab_unmap_grant_ref unmap[SB_SHOWN_PAGES];
	};
};

/* Pages of all views, mapped or not */
static atomic_t pages_viewed = ATOMIC_INIT(0);

/* Besides those of all views: are handles left for other purposes? */
static bool is_room(int viewed)
{
	return viewed <= SB_VIEWED_PAGES_MAX &&
	       2 * atomic64_read(&sb_counters.pages_foreign) + viewed <=
		       SB_MAPPED_GRANTS_MAX;
}

bool sb_view_possible(unsigned int count)
{
	return is_room(atomic_read(&pages_viewed) + count);
}

/* ---- out of the page table ---- */

static u32 grant_flags(bool writable)
{
	return GNTMAP_host_map | GNTMAP_application_map | GNTMAP_contains_pte |
	       ENTRY_FLAGS | (writable ? 0 : GNTMAP_readonly);
}

/* Never seen. A page table with such an entry is not Linux's any more */
static void complain(const struct sb_view *v, int why)
{
	pr_warn_ratelimited("a page of domain %u stays in a program: %d\n",
			    v->domain, why);
}

static void unmap_batch(struct sb_view *v, unsigned int count)
{
	unsigned int i;
	int error;

	error = HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, v->unmap,
					  count);
	if (error)
		complain(v, error);
	for (i = 0; !error && i < count; i++)
		if (v->unmap[i].status != GNTST_okay)
			complain(v, v->unmap[i].status);
	atomic64_sub(count, &sb_counters.pages_viewed);
}

/* Lock held. Pages @first up to, not including, @end */
static void unmap_range(struct sb_view *v, unsigned int first, unsigned int end)
{
	unsigned int i, n = 0;

	for (i = first; i < end; i++) {
		if (v->handle[i] == INVALID_GRANT_HANDLE)
			continue;
		/* Xen knows how it was mapped */
		gnttab_set_unmap_op(&v->unmap[n++], v->place[i],
				    GNTMAP_host_map | GNTMAP_contains_pte,
				    v->handle[i]);
		v->handle[i] = INVALID_GRANT_HANDLE;
		if (n == SB_SHOWN_PAGES) {
			unmap_batch(v, n);
			n = 0;
		}
	}
	if (n)
		unmap_batch(v, n);
}

void sb_view_end(struct sb_view *v)
{
	v->over = true;
	unmap_range(v, 0, v->count);
}

/* Somebody is about to change the page table */
static bool invalidate(struct mmu_interval_notifier *notifier,
		       const struct mmu_notifier_range *range,
		       unsigned long sequence)
{
	struct sb_view *v = container_of(notifier, struct sb_view, notifier);
	unsigned long end = v->start + v->count * PAGE_SIZE;

	/* only who reaps for want of memory, which is none of an area like this */
	if (!mmu_notifier_range_blockable(range))
		return false;
	mutex_lock(v->lock);
	mmu_interval_set_seq(notifier, sequence);
	unmap_range(v, (max(range->start, v->start) - v->start) / PAGE_SIZE,
		    DIV_ROUND_UP(min(range->end, end) - v->start, PAGE_SIZE));
	mutex_unlock(v->lock);
	return true;
}

static const struct mmu_interval_notifier_ops notifier_ops = {
	.invalidate = invalidate,
};

/* ---- into the page table ---- */

/* Lock held: what is not there yet, of @n pages from @first on, at @place */
static unsigned int fill_map(struct sb_view *v, unsigned int first,
			     unsigned int n, const u64 *place, u32 flags)
{
	unsigned int i, ops = 0;

	for (i = first; i < first + n; i++) {
		if (v->handle[i] != INVALID_GRANT_HANDLE)
			continue;
		v->place[i] = place[i - first];
		gnttab_set_map_op(&v->map[ops++], v->place[i], flags,
				  v->gref[i], v->domain);
	}
	return ops;
}

/* Lock held: the handles of what fill_map() has found. 0 or -errno */
static int take_handles(struct sb_view *v, unsigned int first, unsigned int n)
{
	const struct gnttab_map_grant_ref *op = v->map;
	int error = 0;
	unsigned int i;

	for (i = first; i < first + n; i++) {
		if (v->handle[i] != INVALID_GRANT_HANDLE)
			continue;
		if (op->status == GNTST_okay) {
			v->handle[i] = op->handle;
			sb_count(&sb_counters.pages_viewed);
		} else {
			error = -EACCES;
		}
		op++;
	}
	return error;
}

/**
 * struct places - entries of a page table
 * @address: machine address of each
 * @count:   found so far
 */
struct places {
	u64 address[SB_SHOWN_PAGES];
	unsigned int count;
};

static int find_place(pte_t *pte, unsigned long address, void *opaque)
{
	struct places *p = opaque;

	p->address[p->count++] = arbitrary_virt_to_machine(pte).maddr;
	return 0;
}

/* Lock held, page tables found */
static int map_places(struct sb_view *v, unsigned int first,
		      const struct places *p, bool writable)
{
	unsigned int ops =
		fill_map(v, first, p->count, p->address, grant_flags(writable));

	if (ops)
		gnttab_batch_map(v->map, ops);
	return take_handles(v, first, p->count);
}

int sb_view_show(struct sb_view *v, struct vm_area_struct *vma,
		 unsigned int first, unsigned int count)
{
	struct places p = { .count = 0 };
	int error;

	error = apply_to_page_range(vma->vm_mm, v->start + first * PAGE_SIZE,
				    count * PAGE_SIZE, find_place, &p);
	if (error)
		return error;
	mutex_lock(v->lock);
	if (!v->over)
		error = map_places(v, first, &p, vma->vm_flags & VM_WRITE);
	mutex_unlock(v->lock);
	return error;
}

/* ---- its life ---- */

bool sb_view_is_of(const struct sb_view *v, const struct vm_area_struct *vma)
{
	return v->notifier.mm == vma->vm_mm && v->start == vma->vm_start;
}

static void forget(struct sb_view *v)
{
	atomic_sub(v->count, &pages_viewed);
	kvfree(v->gref);
	kvfree(v->handle);
	kvfree(v->place);
	kvfree(v);
}

static struct sb_view *alloc_view(unsigned int count)
{
	struct sb_view *v = kvzalloc(sizeof(*v), GFP_KERNEL);
	unsigned int i;

	if (!v)
		return NULL;
	atomic_add(count, &pages_viewed);
	v->count = count;
	v->handle = kvcalloc(count, sizeof(*v->handle), GFP_KERNEL);
	v->place = kvcalloc(count, sizeof(*v->place), GFP_KERNEL);
	if (!v->handle || !v->place) {
		forget(v);
		return NULL;
	}
	for (i = 0; i < count; i++)
		v->handle[i] = INVALID_GRANT_HANDLE;
	return v;
}

/* From here on the area's changes are told. 0 or -errno */
static int watch(struct sb_view *v, struct vm_area_struct *vma)
{
	int error;

	v->start = vma->vm_start;
	error = mmu_interval_notifier_insert_locked(&v->notifier, vma->vm_mm,
						    vma->vm_start,
						    v->count * PAGE_SIZE,
						    &notifier_ops);
	if (error)
		return error;
	/* what is under way already, and would not see us, is waited for */
	mmu_interval_read_begin(&v->notifier);
	return 0;
}

struct sb_view *sb_view_create(struct vm_area_struct *vma, domid_t domain,
			       u32 *gref, struct mutex *lock)
{
	struct sb_view *v = alloc_view(vma_pages(vma));
	int error;

	if (!v) {
		kvfree(gref);
		return ERR_PTR(-ENOMEM);
	}
	v->domain = domain;
	v->gref = gref;
	v->lock = lock;
	/* it is counted already, so that two at once do not take the last */
	error = is_room(atomic_read(&pages_viewed)) ? 0 : -EOPNOTSUPP;
	if (!error)
		error = watch(v, vma);
	if (!error)
		return v;
	forget(v);
	return ERR_PTR(error);
}

void sb_view_free(struct sb_view *v)
{
	mmu_interval_notifier_remove(&v->notifier);
	forget(v);
}
