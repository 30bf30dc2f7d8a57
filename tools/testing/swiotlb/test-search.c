// SPDX-License-Identifier: GPL-2.0
/* Which slots a search finds: every run, every alignment, in what order, and with whom. */
#include "model.h"

static struct device dev;
static phys_addr_t area;
static struct mapping *by_slot[IO_TLB_SEGSIZE];

/* A pool of one area that begins so many pages before what is naturally aligned */
static void boot(const char *param, unsigned int pages)
{
	struct sim_machine machine;

	test_machine(&machine, 256 * MB - pages * PAGE_SIZE, 0, 1);
	test_boot(&machine, param);
	subject_early(false, 0);
	subject_late_files();
	model_begin(false);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	area = sim_alloc_at(0, 240 * MB, 128 * MB, MB) + MB;
}

/* So many whole slots: each @place is a buffer's, aligned like a segment. */
static struct mapping *map_slots(unsigned int slots, unsigned int place)
{
	return model_map(&dev, area + place * 2 * SEGMENT, slots * SLAB, DMA_FROM_DEVICE,
			 DMA_ATTR_NO_WARN);
}

/* Takes what is free in the first segment, slot by slot. */
static void fill_singly(void)
{
	struct mapping *map;

	while ((map = map_slots(1, 0))) {
		CHECK(map->first < IO_TLB_SEGSIZE);
		by_slot[map->first] = map;
	}
}

static void free_slot(unsigned int slot)
{
	model_unmap(by_slot[slot], 0);
	by_slot[slot] = NULL;
}

/* All is in use: the first segment slot by slot, and the others as wholes. */
static void fill_pool(void)
{
	static struct mapping *first;
	unsigned long n = test_pool(SWIOTLB_LO).nslabs / IO_TLB_SEGSIZE;

	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	dev.min_align_mask = IO_TLB_SIZE - 1;
	first = map_slots(IO_TLB_SEGSIZE, 1);
	CHECK_EQ(first->first, 0);
	while (--n)
		CHECK(map_slots(IO_TLB_SEGSIZE, 1));
	model_unmap(first, 0);
	fill_singly();
	model_check(true);
}

/* One run is free, of every length in every place: that many fit, and not one more. */
TEST(search_every_run)
{
	boot("512,1,force", 5);
	subject_forbid_growth(true);
	fill_pool();
	for (unsigned int first = 0; first < IO_TLB_SEGSIZE; first++) {
		for (unsigned int n = 0; first + n < IO_TLB_SEGSIZE; n++) {
			struct mapping *map;

			CHECK(!map_slots(n + 1, 2), "%u slots, and %u are free", n + 1, n);
			free_slot(first + n);
			map = map_slots(n + 1, 2);
			CHECK(map && map->first == first, "%u slots from %u on", n + 1, first);
			model_check_segments(map);
			model_unmap(map, 0);
		}
		fill_singly();
	}
	model_check(true);
}

/* Two runs, the longer one before and behind the other: what is left after each */
TEST(search_two_runs)
{
	boot("512,1,force", 0);
	fill_pool();
	for (unsigned int gap = 1; gap < IO_TLB_SEGSIZE - 1; gap += test_stride() | 1)
		for (unsigned int n = 1; n < IO_TLB_SEGSIZE; n += 9) {
			unsigned int longer = max(gap, IO_TLB_SEGSIZE - 1 - gap);
			struct mapping *maps[2] = { 0 };

			/* In no order, so that they join what is before and behind them */
			for (unsigned int i = 0; i < IO_TLB_SEGSIZE; i++)
				if (i * 37 % IO_TLB_SEGSIZE != gap)
					free_slot(i * 37 % IO_TLB_SEGSIZE);
			model_check(gap == 64);
			for (int i = 0; i < 2; i++) {
				maps[i] = map_slots(n, 2);
				CHECK(maps[i] || n > longer || i);
				if (maps[i])
					model_check_segments(maps[i]);
			}
			for (int i = 0; i < 2; i++)
				if (maps[i])
					model_unmap(maps[i], 0);
			fill_singly();
		}
	model_check(true);
}

/* One slot is free, in every place; the buffer lies at every offset. */
static void every_alignment(u32 align_mask)
{
	struct device wants;
	unsigned int offsets = min((align_mask >> IO_TLB_SHIFT) + 1, 2 * IO_TLB_SEGSIZE);

	sim_device(&wants, "wants", DMA_BIT_MASK(32));
	wants.min_align_mask = align_mask;
	for (unsigned int slot = 0; slot < IO_TLB_SEGSIZE; slot += test_stride() | 1) {
		free_slot(slot);
		for (unsigned int offset = 0; offset < offsets; offset++) {
			struct mapping *map = model_map(&wants, area + 4 * SEGMENT + offset * SLAB,
							SLAB, DMA_FROM_DEVICE, DMA_ATTR_NO_WARN);

			if (map)
				model_unmap(map, 0);
		}
		fill_singly();
	}
}

static void every_alignment_of(const u32 *masks, unsigned int n)
{
	for (unsigned int pages = 0; pages < 64; pages += 21) {
		boot("512,1,force", pages);
		fill_pool();
		for (unsigned int i = 0; i < n; i++)
			every_alignment(masks[i]);
		model_check(true);
	}
}

TEST(search_every_alignment)
{
	static const u32 masks[] = {
		0xfff, 0x1fff, 0x3fff, 0x7fff, 0xffff, 0x1ffff, 0x3ffff, 0x7ffff,
	};

	every_alignment_of(masks, ARRAY_SIZE(masks));
}

/* Masks with gaps, as no device has; those who go in strides miss places for them. */
TEST(search_odd_alignments)
{
	static const u32 masks[] = { 0x17ff, 0x2fff, 0x10fff };

#ifdef SUBJECT_HAS_LIST
	test_skip("the kernel goes in strides");
#endif
	every_alignment_of(masks, ARRAY_SIZE(masks));

	/* Four in a row: one of them suits each offset. */
	dev.min_align_mask = 0x17ff;
	for (unsigned int slot = 0; slot + 4 <= IO_TLB_SEGSIZE; slot++) {
		for (unsigned int i = 0; i < 4; i++)
			free_slot(slot + i);
		for (unsigned int offset = 0; offset < 4; offset++) {
			struct mapping *map = model_map(&dev, area + 4 * SEGMENT + offset * SLAB,
							SLAB, DMA_FROM_DEVICE, DMA_ATTR_NO_WARN);

			CHECK(map, "slots %u to %u, offset %u", slot, slot + 3, offset);
			model_unmap(map, 0);
		}
		dev.min_align_mask = IO_TLB_SIZE - 1;
		fill_singly();
		dev.min_align_mask = 0x17ff;
	}
}

/* The first place from @index on, once around, that is free and on such a boundary */
static long next_fit(unsigned long index, unsigned int slots, unsigned int align)
{
	const struct subject_pool *pool = &model.pools[0];

	for (unsigned long i = 0; i < pool->nslabs; i++) {
		unsigned long at = (index + i) % pool->nslabs, n = 0;

		if (at % align || at / IO_TLB_SEGSIZE != (at + slots - 1) / IO_TLB_SEGSIZE)
			continue;
		while (n < slots && !model.taken[0][at + n])
			n++;
		if (n == slots)
			return at;
	}
	return -1;
}

/* Every search begins where the last mapping ended, and takes the first place that fits. */
static void in_order(const char *param, unsigned int longest)
{
	struct mapping *maps[200] = { 0 };
	unsigned int state = 12345;
	unsigned long index = 0;

	boot(param, 0);
	subject_forbid_growth(true);
	for (unsigned int i = 0; i < 20000 / test_stride(); i++) {
		unsigned int m, slots, align;
		long want;

		state = state * 1664525 + 1013904223;
		m = (state >> 8) % ARRAY_SIZE(maps);
		if (maps[m]) {
			model_unmap(maps[m], 0);
			maps[m] = NULL;
			continue;
		}
		slots = (state >> 16) % longest + 1;
		align = state >> 31 ? 2 : 1;
		dev.min_align_mask = align * SLAB - 1;
		want = next_fit(index, slots, align);
		maps[m] = map_slots(slots, m);
		CHECK(!maps[m] == (want < 0));
		if (!maps[m])
			continue;
		CHECK(maps[m]->first == want, "%u slots at %lu, and %ld was next from %lu on",
		      slots, maps[m]->first, want, index);
		index = (maps[m]->first + slots) % model.pools[0].nslabs;
		model_check(i % 64 == 0);
	}
	for (int m = 0; m < ARRAY_SIZE(maps); m++)
		if (maps[m])
			model_unmap(maps[m], 0);
	model_check(true);
}

TEST(search_in_order)
{
	in_order("1024,1,force", 8);
	in_order("1024,1,force", 40);
	in_order("16384,1,force", IO_TLB_SEGSIZE);
}

/*
 * A pool of which every slot is one mapping's, without the model, which has no room for
 * so many.
 */
#define MANY 128

static struct device picky;
static phys_addr_t pool_start;
static unsigned int times_on;
static bool stealing;
static phys_addr_t stolen, last;

static void set_slot(unsigned long slot, bool taken)
{
	phys_addr_t tlb = pool_start + slot * SLAB;

	if (!taken)
		swiotlb_tbl_unmap_single(&dev, tlb, 512, DMA_FROM_DEVICE, 0);
	else
		CHECK_EQ(swiotlb_tbl_map_single(&dev, area, 512, 0, DMA_FROM_DEVICE, 0), tlb);
}

/* In each segment of @MANY one slot is free, that is of no use to @picky. */
static void boot_picky(void)
{
	boot("16384,1,force", 0);
	subject_forbid_growth(true);
	pool_start = test_pool(SWIOTLB_LO).start;
	sim_device(&picky, "picky", DMA_BIT_MASK(32));
	picky.min_align_mask = PAGE_SIZE - 1;
	for (unsigned long slot = 0; slot < MANY * IO_TLB_SEGSIZE; slot++)
		set_slot(slot, true);
	for (unsigned long i = 0; i < MANY; i++)
		set_slot(i * IO_TLB_SEGSIZE + 1, false);
}

static phys_addr_t map_picky(void)
{
	phys_addr_t tlb = swiotlb_tbl_map_single(&picky, area, 512, 0, DMA_FROM_DEVICE,
						 DMA_ATTR_NO_WARN);

	if (tlb != (phys_addr_t)DMA_MAPPING_ERROR)
		last = tlb;
	return tlb;
}

/* Another CPU takes what it can get as soon as interrupts come on. */
static void when_irqs_change(bool off)
{
	times_on += !off;
	if (off || !stealing)
		return;
	stealing = false;
	stolen = map_picky();
}

/* Searches long in vain: does not keep interrupts off, and what it finds is its own. */
TEST(search_drops_the_lock)
{
	const phys_addr_t none = (phys_addr_t)DMA_MAPPING_ERROR;

	boot_picky();
	last = pool_start;
	sim_irq_hook = when_irqs_change;
	CHECK_EQ(map_picky(), none);
#ifndef SUBJECT_HAS_LIST
	CHECK(times_on >= MANY / 32, "interrupts came on %u times in %d segments", times_on, MANY);
	CHECK(times_on <= MANY / 32 + 1, "interrupts came on %u times in %d segments", times_on,
	      MANY);
#endif
	/* Two places, at all distances from where the search begins: one for each */
	for (unsigned int i = 0; i < 3 * MANY; i++) {
		unsigned long from = (last - pool_start) / SEGMENT;
		unsigned long two[] = { (from + i) % MANY * IO_TLB_SEGSIZE + 2 + i % 62 * 2,
					(from + i + 3) % MANY * IO_TLB_SEGSIZE + 64 };
		phys_addr_t found;

		set_slot(two[0], false);
		set_slot(two[1], false);
		stealing = true;
		found = map_picky();
		stealing = false;
		CHECK(found != none && stolen != none, "two slots, and not both were found");
		CHECK(found != stolen, "one slot for two");
		CHECK(found + stolen == 2 * pool_start + (two[0] + two[1]) * SLAB);
	}
}

static void area_of_each_cpu(const char *param, unsigned int bits, unsigned int areas)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t area;

	test_machine(&machine, 64 * MB, 64 * MB, 8);
	test_boot(&machine, param);
	subject_early(false, 0);
	model_begin(false);
	sim_device(&dev, "dev", DMA_BIT_MASK(bits));
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE) + 4096;
	for (int cpu = 7; cpu >= 0; cpu--) {
		struct mapping *map;

		sim_use_cpu(cpu);
		map = model_map(&dev, area, 5000, DMA_TO_DEVICE, 0);
		CHECK(map && map->pool >= 0);
		CHECK_EQ(model.pools[map->pool].nareas, areas);
		CHECK_EQ(map->first / model.pools[map->pool].area_nslabs, cpu % areas);
		model_unmap(map, 0);
	}
	test_pools(NULL, true);
}

/* CPUs do not get in each other's way while there is room. */
TEST(search_begins_in_the_area_of_the_cpu)
{
	area_of_each_cpu("4096,8,force", 32, 8);
	area_of_each_cpu("4096,4,force", 64, 4);
#ifdef SUBJECT_HAS_HI
	if (BITS_PER_LONG == 64)
		area_of_each_cpu("4096,8,4M,force", 64, 8);
#endif
}

/* Takes one of each eight slots only, so that it is known which. */
static void take_eighth(unsigned long slot)
{
	struct device thief;

	sim_device(&thief, "thief", DMA_BIT_MASK(32));
	thief.min_align_mask = 8 * SLAB - 1;
	CHECK_EQ(swiotlb_tbl_map_single(&thief, area, 512, 0, DMA_FROM_DEVICE, 0),
		 pool_start + slot * SLAB);
}

/*
 * When the lock is dropped, a place is given back where the search has been, and then
 * the one is taken that it would have come to: there is one at any time.
 */
static unsigned long behind, ahead;

static void move_the_place(bool off)
{
	if (off)
		return;
	sim_irq_hook = NULL;
	set_slot(behind, false);
	take_eighth(ahead);
}

TEST(search_finds_what_moves)
{
#ifdef SUBJECT_HAS_LIST
	test_skip("the kernel does not drop the lock");
#endif
	boot_picky();
	for (unsigned int i = 0; i < MANY; i++) {
		unsigned long from = i * IO_TLB_SEGSIZE + 2;

		/* A search begins where the last one ended. */
		set_slot(from, false);
		CHECK_EQ(map_picky(), pool_start + from * SLAB);
		behind = (i + 5) % MANY * IO_TLB_SEGSIZE + 2;
		ahead = (i + 100) % MANY * IO_TLB_SEGSIZE + 8;
		set_slot(ahead, false);
		sim_irq_hook = move_the_place;
		CHECK(map_picky() == pool_start + behind * SLAB,
		      "full, and at any time there was a place");
	}
}

/* Others give back and take for as long as the search takes: it gives up. */
static void give_and_take(bool off)
{
	if (off)
		return;
	sim_irq_hook = NULL;
	times_on++;
	set_slot(0, false);
	take_eighth(0);
	sim_irq_hook = give_and_take;
}

TEST(search_ends)
{
	boot_picky();
	sim_irq_hook = give_and_take;
	CHECK_EQ(map_picky(), (phys_addr_t)DMA_MAPPING_ERROR);
	sim_irq_hook = NULL;
	CHECK(times_on <= 4 * MANY / 32 + 1, "interrupts came on %u times", times_on);
}
