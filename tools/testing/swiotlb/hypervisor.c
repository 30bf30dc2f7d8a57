// SPDX-License-Identifier: GPL-2.0
/*
 * The model hypervisor.
 *
 * Machine memory has three kinds of pages: the domain's, in the tables pfn to
 * mfn and back; the hypervisor's heap; other domains', some of which are mapped
 * here. Exchanging takes an extent from the heap, from the top of what the
 * address bits allow, gives the domain's old pages to the heap, and clears the
 * contents, as the real one does. If there is no such extent nothing changes.
 *
 * Layouts of a domain's memory:
 *
 *   HYP_IDENTITY	pfn == mfn
 *   HYP_ODD		contiguous, but no segment begins where a machine one does
 *   HYP_REVERSED	the next page is the previous machine page
 *   HYP_SCATTERED	a machine page anywhere
 *   HYP_LOW_IN_MIDDLE	identity, but the lowest machine memory is further up
 *   HYP_HALVES		identity, but the upper half of machine memory comes first
 *
 * Tables are as long as machine memory, which can be 4 TiB. So what nothing is
 * known of is zero in them, and pages that nobody ever had are passed over.
 */
#include "shim.h"
#include "sim.h"

#include <sys/mman.h>
#include <xen/swiotlb-xen.h>

enum owner { NOBODY, DOMAIN, HEAP, FOREIGN };
enum table { TABLE_P2M, TABLE_M2P, TABLE_OWNERS, TABLE_FREE, TABLE_KNOWN, NR_TABLES };

#define INVALID (~0U)
#define EXTENT_PAGES 64 /* of a segment */
#define LOW_MFNS (1UL << (32 - PAGE_SHIFT))

bool sim_xen;

static u32 *p2m; /* INVALID if there is none */
static u32 *m2p; /* the pfn and 1, 0 if there is none */
static u8 *owners; /* by mfn */
static u8 *extent_free; /* pages in the heap, by mfn / EXTENT_PAGES */
static u8 *extent_known; /* did anybody ever have a page of it? */
static unsigned long nr_pfns, nr_mfns, said_mfns, exchanges;
static struct hyp_machine hyp;
static struct notifier_block *resume_nb;

/* Other domains' pages, and where they are mapped */
static struct {
	unsigned long mfn, pfn;
} foreign[64];

static void set_owner(unsigned long mfn, enum owner owner, u32 pfn)
{
	owners[mfn] = owner;
	m2p[mfn] = pfn + 1;
	extent_known[mfn / EXTENT_PAGES] = true;
}

static void give_to_heap(unsigned long mfn)
{
	set_owner(mfn, HEAP, INVALID);
	extent_free[mfn / EXTENT_PAGES]++;
}

static void take_from_heap(unsigned long mfn)
{
	if (owners[mfn] != HEAP)
		sim_error("machine page 0x%lx is taken and was not free", mfn);
	extent_free[mfn / EXTENT_PAGES]--;
}

static void give_to_domain(unsigned long mfn, unsigned long pfn)
{
	set_owner(mfn, DOMAIN, pfn);
	p2m[pfn] = mfn;
}

/* A fixed shuffle, so that each run is the same */
static void shuffle(u32 *mfns, unsigned long n)
{
	u64 state = 88172645463325252ULL;

	for (unsigned long i = n; i > 1; i--) {
		unsigned long j;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		j = state % i;
		swap(mfns[i - 1], mfns[j]);
	}
}

static void lay_out(u32 *mfns, unsigned long n)
{
	switch (hyp.layout) {
	case HYP_REVERSED:
		for (unsigned long i = 0; i < n / 2; i++)
			swap(mfns[i], mfns[n - 1 - i]);
		break;
	case HYP_SCATTERED:
		shuffle(mfns, n);
		break;
	case HYP_LOW_IN_MIDDLE:
		/* An eighth, the lowest, is where the last quarter begins. */
		for (unsigned long i = 0; i < n / 8; i++)
			swap(mfns[i], mfns[n - n / 4 + i]);
		break;
	case HYP_HALVES:
		for (unsigned long i = 0; i < n / 2; i++)
			swap(mfns[i], mfns[n - n / 2 + i]);
		break;
	default:
		break;
	}
}

/* In place of the one of the last boot */
static void *new_table(void *old, enum table table, size_t bytes)
{
	static size_t sizes[NR_TABLES];

	if (old)
		munmap(old, sizes[table]);
	sizes[table] = bytes;
	return sim_map_sparse(bytes);
}

/*
 * Machine memory from the bottom: 1 MiB of nobody, the low heap, the domain's
 * (its low part first, the rest from 4 GiB on if it does not fit), the high heap.
 * With a size of the machine, the high heap is at 4 GiB and the domain's at the end.
 */
void hyp_boot(const struct sim_machine *machine, const struct hyp_machine *h)
{
	unsigned long low, high, n = 0, mfn, top;
	u32 *mfns;

	hyp = *h;
	sim_xen = true;
	exchanges = 0;
	said_mfns = 0;
	nr_pfns = 0;
	for (int i = 0; i < SIM_MAX_RANGES && machine->ram[i].end; i++)
		nr_pfns = PFN_DOWN(machine->ram[i].end);
	low = PFN_DOWN(hyp.low_heap);
	high = PFN_DOWN(hyp.high_heap);
	nr_mfns = hyp.machine ? PFN_DOWN(hyp.machine) : LOW_MFNS + nr_pfns + high + 4096;

	p2m = new_table(p2m, TABLE_P2M, nr_pfns * sizeof(*p2m));
	m2p = new_table(m2p, TABLE_M2P, nr_mfns * sizeof(*m2p));
	owners = new_table(owners, TABLE_OWNERS, nr_mfns);
	extent_free = new_table(extent_free, TABLE_FREE, nr_mfns / EXTENT_PAGES + 1);
	extent_known = new_table(extent_known, TABLE_KNOWN, nr_mfns / EXTENT_PAGES + 1);
	mfns = malloc(nr_pfns * sizeof(*mfns));
	memset(p2m, 0xff, nr_pfns * sizeof(*p2m));

	mfn = 256;
	for (unsigned long i = 0; i < low && mfn < LOW_MFNS; mfn++) {
		if (hyp.fragmented && mfn % EXTENT_PAGES == 7)
			continue;
		give_to_heap(mfn);
		i++;
	}
	mfn = ALIGN(mfn, EXTENT_PAGES);
	if (hyp.domain_high)
		mfn = LOW_MFNS;
	if (hyp.machine)
		mfn = nr_mfns - nr_pfns - (hyp.layout == HYP_ODD ? EXTENT_PAGES : 0);
	if (hyp.layout == HYP_ODD)
		mfn += 5;
	while (n < nr_pfns) {
		if (owners[mfn] == NOBODY)
			mfns[n++] = mfn;
		mfn++;
	}
	lay_out(mfns, nr_pfns);
	for (unsigned long pfn = 0; pfn < nr_pfns; pfn++)
		if (pfn_valid(pfn))
			give_to_domain(mfns[pfn], pfn);
	free(mfns);

	top = hyp.machine ? LOW_MFNS : max(ALIGN(mfn, EXTENT_PAGES), LOW_MFNS);
	for (unsigned long i = 0; i < high && top < nr_mfns; top++) {
		if (owners[top] != NOBODY || (hyp.fragmented && top % EXTENT_PAGES == 7))
			continue;
		give_to_heap(top);
		i++;
	}
}

unsigned long hyp_mfn(unsigned long pfn)
{
	if (pfn >= nr_pfns || p2m[pfn] == INVALID)
		return ~0UL;
	return p2m[pfn];
}

unsigned long hyp_pfn(unsigned long mfn)
{
	if (mfn >= nr_mfns || !m2p[mfn])
		return ~0UL;
	for (unsigned int i = 0; owners[mfn] == FOREIGN && i < ARRAY_SIZE(foreign); i++)
		if (foreign[i].mfn == mfn)
			return foreign[i].pfn;
	return m2p[mfn] - 1;
}

unsigned long pfn_to_bfn(unsigned long pfn)
{
	return hyp_mfn(pfn);
}

/* Of a page that is not the domain's, this is the number that its owner has for it. */
unsigned long bfn_to_pfn(unsigned long bfn)
{
	return bfn >= nr_mfns || !m2p[bfn] ? ~0UL : m2p[bfn] - 1;
}

/* A foreign page has a pfn here, but it is not known by its mfn. */
unsigned long bfn_to_local_pfn(unsigned long bfn)
{
	unsigned long pfn = bfn_to_pfn(bfn);

	return pfn != ~0UL && owners[bfn] == DOMAIN && p2m[pfn] == bfn ? pfn : ~0UL;
}

static void clear_contents(unsigned long pfn, unsigned long pages)
{
	static const char zeros[1 << PAGE_SHIFT];

	while (pages--)
		sim_copy_to_phys(PFN_PHYS(pfn++), zeros, PAGE_SIZE);
}

/* The highest free extent below @end; ~0UL if there is none */
static unsigned long find_extent(unsigned long end, unsigned long pages)
{
	unsigned long mfn = ALIGN_DOWN(min(end, nr_mfns), pages);

	while (mfn >= pages) {
		unsigned long i;

		mfn -= pages;
		if (pages >= EXTENT_PAGES ? extent_free[mfn / EXTENT_PAGES] != EXTENT_PAGES :
					    !extent_free[mfn / EXTENT_PAGES]) {
			mfn = ALIGN_DOWN(mfn, max_t(unsigned long, pages, EXTENT_PAGES));
			continue;
		}
		for (i = 0; i < pages && owners[mfn + i] == HEAP; i++)
			;
		if (i == pages)
			return mfn;
	}
	return ~0UL;
}

static unsigned long limit_of(unsigned int address_bits)
{
	if (!address_bits || address_bits >= PAGE_SHIFT + BITS_PER_LONG)
		return ~0UL;
	return address_bits <= PAGE_SHIFT ? 0 : 1UL << (address_bits - PAGE_SHIFT);
}

int xen_create_contiguous_region(phys_addr_t pstart, unsigned int order, unsigned int address_bits,
				 dma_addr_t *dma_handle)
{
	unsigned long pfn = PFN_DOWN(pstart), pages = 1UL << order, mfn;
	int err = 0;

	clear_contents(pfn, pages);
	mfn = sim_fault(SIM_FAIL_EXCHANGE) ? ~0UL : find_extent(limit_of(address_bits), pages);
	if (mfn == ~0UL) {
		err = -ENOMEM;
	} else {
		exchanges++;
		for (unsigned long i = 0; i < pages; i++)
			take_from_heap(mfn + i);
		for (unsigned long i = 0; i < pages; i++) {
			if (owners[p2m[pfn + i]] != DOMAIN)
				sim_error("a page is exchanged that is not the domain's");
			give_to_heap(p2m[pfn + i]);
			give_to_domain(mfn + i, pfn + i);
		}
	}
	*dma_handle = PFN_PHYS(hyp_mfn(pfn));
	return err;
}

void xen_destroy_contiguous_region(phys_addr_t pstart, unsigned int order)
{
	unsigned long pfn = PFN_DOWN(pstart), pages = 1UL << order, mfn = nr_mfns;
	unsigned long free_high = 0, first = p2m[pfn];

	clear_contents(pfn, pages);
	for (unsigned long i = 0; i < pages; i++)
		if (p2m[pfn + i] != first + i)
			sim_error("a region is given back that is not contiguous");
	for (unsigned long e = 0; e < DIV_ROUND_UP(nr_mfns, EXTENT_PAGES); e++)
		free_high += extent_free[e];
	if (free_high < pages)
		return;
	exchanges++;
	for (unsigned long i = 0; i < pages; i++) {
		mfn = find_extent(mfn, 1);
		take_from_heap(mfn);
		give_to_heap(first + i);
		give_to_domain(mfn, pfn + i);
	}
}

/*
 * The last machine pages are other domains': mapped at pfns whose own pages are
 * away. Their owners' numbers for them are @theirs and on.
 */
void hyp_map_foreign(unsigned long pfn, unsigned long pages, unsigned long theirs)
{
	for (unsigned long i = 0; i < pages; i++) {
		unsigned long mfn = nr_mfns - 1 - 2 * i;

		give_to_heap(p2m[pfn + i]);
		if (owners[mfn] != NOBODY)
			sim_error("no machine memory for a foreign page");
		set_owner(mfn, FOREIGN, theirs + i);
		foreign[i].mfn = mfn;
		foreign[i].pfn = pfn + i;
		p2m[pfn + i] = mfn;
	}
}

void hyp_unmap_foreign(unsigned long pfn, unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i++) {
		unsigned long mfn = p2m[pfn + i], own = find_extent(~0UL, 1);

		set_owner(mfn, NOBODY, INVALID);
		take_from_heap(own);
		give_to_domain(own, pfn + i);
	}
}

u64 hyp_heap_bytes(bool low)
{
	unsigned long last = DIV_ROUND_UP(nr_mfns, EXTENT_PAGES), middle = LOW_MFNS / EXTENT_PAGES;
	unsigned long n = 0;

	for (unsigned long e = low ? 0 : middle; e < (low ? min(middle, last) : last); e++)
		n += extent_free[e];
	return PFN_PHYS(n);
}

void hyp_replace(unsigned long pfn, unsigned long pages, unsigned int address_bits)
{
	while (pages--) {
		unsigned long mfn = find_extent(limit_of(address_bits), 1), old = p2m[pfn];

		take_from_heap(mfn);
		give_to_domain(mfn, pfn++);
		give_to_heap(old);
	}
}

void xen_resume_notifier_register(struct notifier_block *nb)
{
	resume_nb = nb;
}

void hyp_resume(void)
{
	if (resume_nb)
		resume_nb->notifier_call(resume_nb, 0, NULL);
}

/* Called a page number, but it is that of the page behind the last one. */
long HYPERVISOR_memory_op(unsigned int cmd, void *arg)
{
	if (cmd != XENMEM_maximum_ram_page || arg)
		sim_error("hypercall %u is not modelled", cmd);
	if (!sim_xen)
		sim_error("hypercall %u of a domain that is not PV", cmd);
	return said_mfns ?: nr_mfns;
}

void hyp_move(u64 machine)
{
	said_mfns = PFN_DOWN(machine);
}

unsigned long hyp_exchanges(void)
{
	return exchanges;
}

void hyp_check(void)
{
	unsigned long mine = 0, valid = 0;

	for (unsigned long mfn = 0; mfn < nr_mfns; mfn++) {
		bool domain = owners[mfn] == DOMAIN;

		if (!extent_known[mfn / EXTENT_PAGES]) {
			mfn |= EXTENT_PAGES - 1;
			continue;
		}
		mine += domain;
		if (domain && (m2p[mfn] > nr_pfns || p2m[m2p[mfn] - 1] != mfn))
			sim_error("machine page 0x%lx is lost", mfn);
	}
	for (unsigned long pfn = 0; pfn < nr_pfns; pfn++)
		valid += pfn_valid(pfn) && owners[p2m[pfn]] == DOMAIN;
	if (mine != valid)
		sim_error("the domain has %lu machine pages for %lu of its own", mine, valid);
}
