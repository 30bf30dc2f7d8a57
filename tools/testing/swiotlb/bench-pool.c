// SPDX-License-Identifier: GPL-2.0
/*
 * Pools to be measured, from 64 MiB to 64 GiB, on a machine that has less.
 *
 * Memory that nobody touches does not exist. What clears a pool, does not: it
 * was never used. What copies from or to one, copies from or to 2 MiB that stand
 * for it, so that the size of a pool does not show in the cost of copies, which
 * is not the allocator's. The two files call the two functions below for that.
 * Only where the set-up itself is measured is a pool written to; then all of its
 * pages are the same 64 MiB, mapped again and again.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <sys/mman.h>
#include <unistd.h>

#define WINDOW (2 * MB)
#define SEGMENT ((u64)IO_TLB_SEGSIZE << IO_TLB_SHIFT)
#define ALIASED (64 * MB)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum bench_copies bench_copies;
struct device bench_dev;
phys_addr_t bench_buf;

static char window[WINDOW + SEGMENT] __aligned(4096);
static struct range books; /* physical addresses that the bookkeeping comes from */
static char *memory, *memory_end, *pool_start, *pool_end;
static bool clearing;

static bool in_memory(const void *p)
{
	return (char *)p >= memory && (char *)p < memory_end;
}

static void *in_window(const void *p)
{
	char *at = (char *)p;

	if (bench_copies == COPY_WINDOW && at >= pool_start && at < pool_end)
		at = window + ((at - pool_start) & (WINDOW - 1));
	return at;
}

void *bench_memcpy(void *to, const void *from, size_t n);
void *bench_memcpy(void *to, const void *from, size_t n)
{
	if (!in_memory(to) && !in_memory(from))
		memcpy(to, from, n);
	else if (bench_copies != COPY_NOT)
		memcpy(in_window(to), in_window(from), n);
	return to;
}

void *bench_memset(void *to, int c, size_t n);
void *bench_memset(void *to, int c, size_t n)
{
	/* The little that is left is padding, which has to be cleared. */
	if (clearing || !in_memory(to))
		return memset(to, c, n);
	if (n < PAGE_SIZE && bench_copies != COPY_NOT)
		memset(in_window(to), c, n);
	return to;
}

u64 bench_random(void)
{
	static u64 state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/*
 * Memory from the bottom: low memory, for a small SWIOTLB_LO and buffers; from
 * 4 GiB on as much as the pool is to have; above that half as much, too little for
 * it, where the bookkeeping goes, because memory is handed out from the top.
 */
void bench_machine(bool touch)
{
	u64 top = SZ_4G + opt.pool;
	struct sim_machine machine = {
		.cpus = max(opt.threads, opt.areas),
		.ram = { { 0, 3 * GB }, { SZ_4G, top }, { top + GB, top + GB + opt.pool / 2 } },
	};
	char param[64];

	sim_boot(&machine);
	clearing = touch;
	books = machine.ram[2];
	memory = phys_to_virt(0);
	memory_end = memory + books.end;
	if (opt.hi)
		snprintf(param, sizeof(param), "512,%llu,%llu", opt.areas,
			 opt.pool >> IO_TLB_SHIFT);
	else
		snprintf(param, sizeof(param), "%llu,%llu", opt.pool >> IO_TLB_SHIFT, opt.areas);
	subject_param(param);
	if (!touch) {
		/* As the kernel's own mapping of memory is made of large pages */
		madvise(memory + books.start, books.end - books.start, MADV_HUGEPAGE);
		return;
	}
	madvise(memory, memory_end - memory, MADV_NOHUGEPAGE);
	for (u64 at = 0, fd = memfd_create("pool", 0); at < opt.pool; at += ALIASED) {
		if (!at && ftruncate(fd, ALIASED))
			bench_die("no memory for the pages of a pool");
		if (mmap(memory + SZ_4G + at, min(ALIASED, opt.pool - at), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			bench_die("no address space for a pool of %llu MiB", opt.pool / MB);
	}
}

void bench_boot(void)
{
	/* One pool, too, may be anywhere. */
	subject_early(false, SWIOTLB_ANY);
}

struct subject_pool bench_ready(void)
{
	struct subject_pool pools[2];
	int n;
	u64 used = 0;

	bench_machine(false);
	bench_boot();
	subject_late_files();
	n = subject_pools(NULL, pools, ARRAY_SIZE(pools));
	for (int i = 0; i < n; i++)
		used += PAGE_ALIGN(subject_overhead(&pools[i])) + PAGE_SIZE;
	if (n != 1 + !!opt.hi)
		bench_die("there are %d pools", n);
	if (pools[n - 1].type != (opt.hi ? SWIOTLB_HI : SWIOTLB_LO))
		swap(pools[0], pools[n - 1]);
	if (pools[n - 1].nslabs != opt.pool >> IO_TLB_SHIFT)
		bench_die("the pool has %lu slots and not %llu", pools[n - 1].nslabs,
			  opt.pool >> IO_TLB_SHIFT);
	pool_start = phys_to_virt(pools[n - 1].start);
	pool_end = phys_to_virt(pools[n - 1].end);
	used = min(used, books.end - books.start);
	madvise(memory + ALIGN_DOWN(books.end - used, PAGE_SIZE),
		ALIGN(used, PAGE_SIZE), MADV_POPULATE_WRITE);

	sim_device(&bench_dev, "bench", DMA_BIT_MASK(64));
	bench_buf = sim_alloc_at(0, 3 * GB, SEGMENT, SEGMENT);
	memset(phys_to_virt(bench_buf), 0x5a, SEGMENT);
	memset(window, 0, sizeof(window));
	return pools[n - 1];
}

dma_addr_t bench_map(size_t size)
{
	return swiotlb_tbl_map_single(&bench_dev, bench_buf, size, 0, DMA_BIDIRECTIONAL,
				      DMA_ATTR_NO_WARN);
}

void bench_unmap(dma_addr_t addr, size_t size)
{
	swiotlb_tbl_unmap_single(&bench_dev, addr, size, DMA_BIDIRECTIONAL, 0);
}

void bench_floor(u64 n)
{
	char *buf = phys_to_virt(bench_buf);
	u64 at = 0;

	/* Where next fit would have them, to the next slot */
	for (u64 i = 0; i < n; i++) {
		memcpy(window + at, buf, opt.size);
		memcpy(buf, window + at, opt.size);
		at = (at + ALIGN(opt.size, IO_TLB_SIZE)) & (WINDOW - 1);
	}
}

void bench_use_all(const struct subject_pool *pool)
{
	for (unsigned long i = 0; i < pool->nslabs / IO_TLB_SEGSIZE; i++) {
		dma_addr_t addr = bench_map(SEGMENT);

		if (addr == DMA_MAPPING_ERROR)
			bench_die("the empty pool has no room");
		bench_unmap(addr, SEGMENT);
	}
}

/*
 * What is in use
 *
 *   random	mappings of 1 to 8 slots, until no slot is left; then mappings chosen
 *		at random are unmapped until @fill percent are in use
 *   last	all but 64 KiB in the middle
 *   odd	all but two slots in four, that are not a page
 *   holes	every second slot
 *   straddle	all but 32 slots across every second 64 KiB boundary
 *   crossing	all but four slots in 128; no 64 KiB without a boundary are free
 */

static bool stays_last(unsigned long i, unsigned long nslabs)
{
	return i != nslabs / 2;
}

static bool stays_odd(unsigned long i, unsigned long nslabs)
{
	return i % 4 == 0 || i % 4 == 3;
}

static bool stays_holes(unsigned long i, unsigned long nslabs)
{
	return i % 2;
}

static bool stays_straddle(unsigned long i, unsigned long nslabs)
{
	return i % 64 < 16 || i % 64 >= 48;
}

static bool stays_crossing(unsigned long i, unsigned long nslabs)
{
	return i % 64 == 0 || i % 64 == 63;
}

/* Fills the pool with mappings of a size, and unmaps those that do not stay. */
static void fill_evenly(const struct subject_pool *pool, size_t size,
			bool (*stays)(unsigned long slot, unsigned long nslabs))
{
	unsigned long each = size >> IO_TLB_SHIFT;

	for (unsigned long i = 0; i < pool->nslabs; i += each)
		if (bench_map(size) != pool->start + ((u64)i << IO_TLB_SHIFT))
			bench_die("slot %lu was not the next one", i);
	for (unsigned long i = 0; i < pool->nslabs; i += each)
		if (!stays(i, pool->nslabs))
			bench_unmap(pool->start + ((u64)i << IO_TLB_SHIFT), size);
}

static void fill_randomly(const struct subject_pool *pool)
{
	unsigned long used = 0, n = 0, most = pool->nslabs / 100 * opt.fill;
	dma_addr_t *addrs = malloc(pool->nslabs * sizeof(*addrs));
	u8 *slots = malloc(pool->nslabs);
	bool large = true;

	while (used < pool->nslabs) {
		slots[n] = large ? bench_random() % 8 + 1 : 1;
		addrs[n] = bench_map(slots[n] << IO_TLB_SHIFT);
		if (addrs[n] != DMA_MAPPING_ERROR)
			used += slots[n++];
		else if (large)
			large = false;
		else
			bench_die("no room, and %lu of %lu slots are in use", used, pool->nslabs);
	}
	while (used > most) {
		unsigned long i = bench_random() % n;

		bench_unmap(addrs[i], slots[i] << IO_TLB_SHIFT);
		used -= slots[i];
		addrs[i] = addrs[--n];
		slots[i] = slots[n];
	}
	free(addrs);
	free(slots);
}

void bench_fill(const struct subject_pool *pool)
{
	static const struct {
		const char *name;
		size_t size;
		bool (*stays)(unsigned long slot, unsigned long nslabs);
	} fillings[] = {
		{ "last", 64 << 10, stays_last },
		{ "odd", IO_TLB_SIZE, stays_odd },
		{ "holes", IO_TLB_SIZE, stays_holes },
		{ "straddle", IO_TLB_SIZE, stays_straddle },
		{ "crossing", IO_TLB_SIZE, stays_crossing },
	};

	bench_copies = COPY_NOT;
	bench_use_all(pool);
	if (!strcmp(opt.filling, "empty"))
		return;
	if (!strcmp(opt.filling, "random")) {
		fill_randomly(pool);
		return;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(fillings); i++) {
		if (!strcmp(opt.filling, fillings[i].name)) {
			fill_evenly(pool, fillings[i].size, fillings[i].stays);
			return;
		}
	}
	bench_die("there is no filling '%s'", opt.filling);
}
