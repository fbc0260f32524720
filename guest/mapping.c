// SPDX-License-Identifier: GPL-2.0-only
/*
 * mapping.c - pages of another guest in this kernel's address space
 *
 * A mapping is a row of pages in the kernel's virtual memory, in an order of
 * the caller's choice, the same page twice if he likes: so an area of another
 * guest's circuit is as contiguous as one of our own.
 *
 * PVH: each grant is mapped once, at a page without memory of its own, and
 * those pages are then mapped like any others. PV: Xen lets nothing but a
 * grant operation write a foreign frame into a page table, so each place in
 * the row is a grant operation upon its page table entry, and a page that is
 * there twice is mapped twice. There is no struct page for it; a program that
 * is to see it has it mapped once more (view.c).
 *
 * A grant that cannot be mapped fails the whole. What is mapped stays readable
 * when its owner dies, until it is unmapped.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <xen/features.h>
#include <xen/page.h>
#include <asm/xen/hypercall.h>

#include "switchboard.h"

static bool is_pv(void)
{
	return !xen_feature(XENFEAT_auto_translated_physmap);
}

static void forget_unmapped(struct sb_mapping *m)
{
	kvfree(m->page);
	kvfree(m->handle);
	kvfree(m->place);
	kvfree(m->gref);
	kfree(m);
}

static bool keep_places(struct sb_mapping *m, const u32 *gref,
			unsigned int grants)
{
	m->place = kvcalloc(m->count, sizeof(*m->place), GFP_KERNEL);
	m->gref = kvcalloc(grants, sizeof(*m->gref), GFP_KERNEL);
	if (!m->place || !m->gref)
		return false;
	memcpy(m->gref, gref, grants * sizeof(*gref));
	return true;
}

static bool keep_pages(struct sb_mapping *m)
{
	m->page = kvcalloc(m->grants, sizeof(*m->page), GFP_KERNEL);
	return m->page;
}

static struct sb_mapping *alloc_mapping(const u32 *gref, unsigned int grants,
					unsigned int count)
{
	struct sb_mapping *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (!m)
		return NULL;
	m->grants = is_pv() ? count : grants;
	m->count = count;
	m->handle = kvcalloc(m->grants, sizeof(*m->handle), GFP_KERNEL);
	if (m->handle &&
	    (is_pv() ? keep_places(m, gref, grants) : keep_pages(m)))
		return m;
	forget_unmapped(m);
	return NULL;
}

static u64 host_address(const struct sb_mapping *m, unsigned int i)
{
	return m->place ? m->place[i]
			: (unsigned long)pfn_to_kaddr(page_to_pfn(m->page[i]));
}

static u32 map_flags(const struct sb_mapping *m)
{
	return m->place ? GNTMAP_host_map | GNTMAP_contains_pte
			: GNTMAP_host_map;
}

/* Handles of what could be mapped; false when something could not */
static bool take_handles(struct sb_mapping *m,
			 const struct gnttab_map_grant_ref *op)
{
	bool all = true;
	unsigned int i;

	for (i = 0; i < m->grants; i++) {
		m->handle[i] = op[i].status == GNTST_okay
				       ? op[i].handle
				       : INVALID_GRANT_HANDLE;
		all &= op[i].status == GNTST_okay;
	}
	return all;
}

/* @order: which grant is at which place of the row */
static int map_grants(struct sb_mapping *m, domid_t domain, const u32 *gref,
		      const u16 *order)
{
	struct gnttab_map_grant_ref *op;
	unsigned int i;
	int error = 0;

	op = kvcalloc(m->grants, sizeof(*op), GFP_KERNEL);
	if (!op)
		return -ENOMEM;
	for (i = 0; i < m->grants; i++)
		gnttab_set_map_op(&op[i], host_address(m, i), map_flags(m),
				  gref[m->place ? order[i] : i], domain);
	if (m->place)
		gnttab_batch_map(op, m->grants);
	else
		error = gnttab_map_refs(op, NULL, m->page, m->grants);
	if (!take_handles(m, op))
		error = -EACCES;
	kvfree(op);
	return error;
}

/* Only those that are: a handle that is none ends a run of operations */
static unsigned int fill_unmap(const struct sb_mapping *m,
			       struct gnttab_unmap_grant_ref *op,
			       struct page **page)
{
	unsigned int i, n = 0;

	for (i = 0; i < m->grants; i++) {
		if (m->handle[i] == INVALID_GRANT_HANDLE)
			continue;
		gnttab_set_unmap_op(&op[n], host_address(m, i), map_flags(m),
				    m->handle[i]);
		if (m->page)
			page[n] = m->page[i];
		n++;
	}
	return n;
}

static int unmap_ops(struct sb_mapping *m, struct gnttab_unmap_grant_ref *op,
		     struct page **page, unsigned int count)
{
	if (!count)
		return 0;
	if (!m->page)
		return HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, op,
						 count);
	m->unmap.unmap_ops = op;
	m->unmap.pages = page;
	m->unmap.count = count;
	return gnttab_unmap_refs_sync(&m->unmap);
}

/* __GFP_NOFAIL: what another guest waits for is not to depend on memory */
static int unmap_grants(struct sb_mapping *m)
{
	struct gnttab_unmap_grant_ref *op;
	struct page **page;
	int error;

	op = kvcalloc(m->grants, sizeof(*op), GFP_KERNEL | __GFP_NOFAIL);
	page = kvcalloc(m->grants, sizeof(*page), GFP_KERNEL | __GFP_NOFAIL);
	error = unmap_ops(m, op, page, fill_unmap(m, op, page));
	kvfree(page);
	kvfree(op);
	return error;
}

/* PVH: a row of the pages at which the grants are mapped */
static int map_row(struct sb_mapping *m, const u16 *order)
{
	struct page **row = kvcalloc(m->count, sizeof(*row), GFP_KERNEL);
	unsigned int i;

	if (!row)
		return -ENOMEM;
	for (i = 0; i < m->count; i++)
		row[i] = m->page[order[i]];
	m->base = vmap(row, m->count, VM_MAP, PAGE_KERNEL);
	kvfree(row);
	return m->base ? 0 : -ENOMEM;
}

/* Where the page table has each page of the row */
static int find_places(struct sb_mapping *m)
{
	unsigned long address = (unsigned long)m->base;
	unsigned int i, level;
	pte_t *pte;

	for (i = 0; i < m->count; i++) {
		pte = lookup_address(address + i * PAGE_SIZE, &level);
		if (!pte || level != PG_LEVEL_4K)
			return -EFAULT;
		m->place[i] = arbitrary_virt_to_machine(pte).maddr;
	}
	return 0;
}

/*
 * PV: entries of a page table that the grant operations are to replace. Any
 * page of ours will do to have them made; nobody looks through them.
 */
static int make_places(struct sb_mapping *m)
{
	struct page **row = kvcalloc(m->count, sizeof(*row), GFP_KERNEL);
	unsigned int i;

	if (!row)
		return -ENOMEM;
	for (i = 0; i < m->count; i++)
		row[i] = ZERO_PAGE(0);
	m->base = vmap(row, m->count, VM_MAP, PAGE_KERNEL_RO);
	kvfree(row);
	return m->base ? find_places(m) : -ENOMEM;
}

static int map_pv(struct sb_mapping *m, domid_t domain, const u32 *gref,
		  const u16 *order)
{
	int error = make_places(m);

	return error ? error : map_grants(m, domain, gref, order);
}

static int map_pvh(struct sb_mapping *m, domid_t domain, const u32 *gref,
		   const u16 *order)
{
	int error = gnttab_alloc_pages(m->grants, m->page);

	if (error)
		return error;
	m->has_pages = true;
	error = map_grants(m, domain, gref, order);
	return error ? error : map_row(m, order);
}

static void forget_handles(struct sb_mapping *m)
{
	unsigned int i;

	for (i = 0; i < m->grants; i++)
		m->handle[i] = INVALID_GRANT_HANDLE;
}

struct sb_mapping *sb_mapping_make(domid_t domain, const u32 *gref,
				   unsigned int grants, const u16 *order,
				   unsigned int count)
{
	struct sb_mapping *m = alloc_mapping(gref, grants, count);
	int error;

	if (!m)
		return ERR_PTR(-ENOMEM);
	forget_handles(m);
	error = m->place ? map_pv(m, domain, gref, order)
			 : map_pvh(m, domain, gref, order);
	if (!error)
		return m;
	sb_mapping_end(m);
	return ERR_PTR(error);
}

void sb_mapping_end(struct sb_mapping *m)
{
	int error;

	/* a page that is mapped elsewhere too cannot be unmapped from here */
	if (!m->place && m->base)
		vunmap(m->base);
	error = unmap_grants(m);
	if (m->place && m->base)
		vunmap(m->base);
	/* never seen; then the pages are nobody's to use */
	if (error)
		pr_warn("%u grants cannot be unmapped: %d\n", m->grants, error);
	else if (m->has_pages)
		gnttab_free_pages(m->grants, m->page);
	forget_unmapped(m);
}

void *sb_mapping_page(domid_t domain, u32 gref, struct sb_mapping **m)
{
	static const u16 first;

	*m = sb_mapping_make(domain, &gref, 1, &first, 1);
	if (!IS_ERR(*m))
		return (*m)->base;
	*m = NULL;
	return NULL;
}
