// SPDX-License-Identifier: GPL-2.0
/* How default pools are set up and taken down, without Xen. */
#include "test.h"

#include <linux/swiotlb.h>

static u64 bytes_of(int type)
{
	struct subject_pool pool = test_pool(type);

	return pool.nslabs ? pool.nslabs * SLAB + subject_overhead(&pool) : 0;
}

/* Everything that was taken is in a pool, to the byte. */
static void check_nothing_lost(void)
{
	CHECK_EQ(sim_allocated(), bytes_of(SWIOTLB_LO) + bytes_of(SWIOTLB_HI));
}

TEST(init_default_is_64_mib_below_4_gib)
{
	struct sim_machine machine;
	struct subject_pool lo;

	test_machine(&machine, 512 * MB, 4 * GB, 2);
	test_boot(&machine, NULL);
	CHECK(!is_swiotlb_allocated());
	subject_early(false, SWIOTLB_VERBOSE);
	lo = test_pool(SWIOTLB_LO);
	CHECK_EQ(lo.nslabs, 32768);
	CHECK_EQ(lo.nareas, 2);
	CHECK(lo.end <= SZ_4G);
	CHECK_EQ(default_swiotlb_base(), lo.start);
	CHECK_EQ(swiotlb_size_or_default(), 64 * MB);
	CHECK(is_swiotlb_allocated());
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 0);
	CHECK(sim_log_has("mapped [mem "));
	CHECK(!sim_log_has(" bus ["), "the message has changed for those who ask for nothing");
	check_nothing_lost();
	test_pools(NULL, true);
}

TEST(init_not_wanted)
{
	struct sim_machine machine;

	test_machine(&machine, 512 * MB, 0, 2);
	test_boot(&machine, "noforce");
	subject_early(false, 0);
	CHECK(!is_swiotlb_allocated());
	CHECK_EQ(subject_late(4 * MB, GFP_KERNEL), 0);
	CHECK(!is_swiotlb_allocated());
	CHECK_EQ(sim_allocated(), 0);

	test_boot(&machine, NULL);
	swiotlb_init(false, 0);
	CHECK(!is_swiotlb_allocated());
	test_boot(&machine, "force");
	swiotlb_init(false, 0);
	CHECK(is_swiotlb_allocated());
}

/* All of it there, areas equal and of whole segments */
static void check_size(const char *param, int type, unsigned long asked)
{
	struct subject_pool pool = test_pool(type);

	if (type == SWIOTLB_HI && !asked) {
		CHECK(!pool.nslabs, "%s: a pool that nobody asked for", param);
		return;
	}
	if (!pool.nslabs && !asked)
		return;
	CHECK(pool.nslabs >= asked, "%s: %lu slabs", param, pool.nslabs);
	CHECK(pool.nslabs % IO_TLB_SEGSIZE == 0, "%s: %lu slabs", param, pool.nslabs);
	CHECK(pool.nareas >= 1 && is_power_of_2(pool.nareas), "%s", param);
	CHECK(pool.area_nslabs % IO_TLB_SEGSIZE == 0, "%s: areas of %u", param, pool.area_nslabs);
	CHECK_EQ((u64)pool.area_nslabs * pool.nareas, pool.nslabs);
	CHECK_EQ(pool.end - pool.start, pool.nslabs * SLAB);
	CHECK_EQ(subject_request(type), pool.nslabs);
	if (type == SWIOTLB_LO)
		CHECK(pool.end <= SZ_4G);
	else
		CHECK(pool.start >= SZ_4G);
}

/* Boots with these sizes, and that many areas or, if negative, the default. */
static void boot_sizes(struct sim_machine *machine, int areas, unsigned long lo, unsigned long hi)
{
	char param[64];

	if (areas < 0)
		snprintf(param, sizeof(param), "%lu,,%lu", lo, hi);
	else
		snprintf(param, sizeof(param), "%lu,%d,%lu", lo, areas, hi);
	test_boot(machine, param);
	subject_early(false, SWIOTLB_VERBOSE);
	for (int type = 0; type < SWIOTLB_MAX; type++)
		check_size(param, type, type == SWIOTLB_LO ? lo : hi);
	check_nothing_lost();
}

TEST(init_sizes_and_areas, .needs_hi = true)
{
	static const unsigned long sizes[] = {
		0, 1, 127, 128, 512, 513, 1000, 2048, 3072, 10000,
	};
	int his = BITS_PER_LONG == 64 ? ARRAY_SIZE(sizes) : 1;
	struct sim_machine machine;

	test_machine(&machine, 1 * GB, 2 * GB, 1);
	for (int cpus = 1; cpus <= 9; cpus++) {
		machine.cpus = cpus;
		for (int areas = -1; areas <= (cpus == 3 ? 8 : -1); areas++)
			for (int l = 0; l < ARRAY_SIZE(sizes); l++)
				for (int h = 0; h < his; h++)
					boot_sizes(&machine, areas, sizes[l], sizes[h]);
	}
	test_pools(NULL, true);
}

/*
 * The nth early allocation fails: a smaller pool, or none, is what follows, and
 * memory that was taken on the way is back.
 */
static void fail_early(const char *param, unsigned int count)
{
	struct sim_machine machine;

	test_machine(&machine, 512 * MB, 1 * GB, 4);
	for (unsigned int nth = 1;; nth++) {
		unsigned long asked;

		test_boot(&machine, param);
		asked = subject_request(SWIOTLB_LO);
		sim_fail(SIM_FAIL_MEMBLOCK, nth, count);
		subject_early(false, SWIOTLB_VERBOSE);
		if (sim_calls(SIM_FAIL_MEMBLOCK) < nth)
			break;
		check_nothing_lost();
		test_pools(NULL, true);
		if (count == 1) {
			struct subject_pool lo = test_pool(SWIOTLB_LO);

			CHECK(lo.nslabs >= asked / 2, "one failure, and LO has %lu slabs",
			      lo.nslabs);
		}
		CHECK(nth < 1000);
	}
	CHECK(sim_calls(SIM_FAIL_MEMBLOCK), "nothing was allocated");
}

TEST(init_one_allocation_fails, .base_fails = true)
{
	fail_early(NULL, 1);
}

TEST(init_all_allocations_fail_from_one_on, .base_fails = true)
{
	fail_early(NULL, 1000000);
}

TEST(init_with_hi_one_allocation_fails, .needs_hi = true, .needs_64bit = true)
{
	fail_early("32M,,128M", 1);
}

TEST(init_with_hi_allocations_fail_from_one_on, .needs_hi = true, .needs_64bit = true)
{
	fail_early("32M,,128M", 1000000);
	fail_early("32M,,128M", 2);
	fail_early("32M,,128M", 3);
	fail_early("32M,,128M", 7);
}

TEST(init_little_low_memory)
{
	struct sim_machine machine;
	struct subject_pool lo;

	test_machine(&machine, 24 * MB, 512 * MB, 1);
	test_boot(&machine, NULL);
	subject_early(false, SWIOTLB_VERBOSE);
	lo = test_pool(SWIOTLB_LO);
	CHECK_EQ(lo.nslabs, 16 * MB / SLAB);
	CHECK(sim_log_has("size adjusted 32768 -> 8192 slabs"));
	check_nothing_lost();

	/* Not even the least: nothing, and it says so where it would print the pool. */
	test_machine(&machine, 900 * 1024, BITS_PER_LONG == 64 ? 64 * MB : 0, 1);
	test_boot(&machine, NULL);
	subject_early(false, SWIOTLB_VERBOSE);
	CHECK(!is_swiotlb_allocated());
	swiotlb_print_info();
	CHECK(sim_log_has("No low mem"));
	check_nothing_lost();
}

/* A number of areas that is wrong is refused, whoever asks, and nothing is lost. */
TEST(init_refuses_areas, .needs_hi = true)
{
	struct sim_machine machine;

	test_machine(&machine, 512 * MB, 0, 1);
	test_boot(&machine, "1536");
	subject_set_areas(3);
	subject_early(false, 0);
	CHECK(sim_warnings());
	CHECK_EQ(sim_allocated(), 0);
}

TEST(init_anywhere, .needs_64bit = true)
{
	struct sim_machine machine;

	test_machine(&machine, 32 * MB, 512 * MB, 1);
	test_boot(&machine, NULL);
	subject_early(false, SWIOTLB_ANY);
	CHECK_EQ(test_pool(SWIOTLB_LO).nslabs, 32768);
	CHECK(test_pool(SWIOTLB_LO).start >= SZ_4G);
	check_nothing_lost();
}

TEST(init_hi_is_limited_to_what_is_free, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine;
	struct subject_pool hi;

	test_machine(&machine, 1 * GB, 1 * GB, 4);
	test_boot(&machine, ",,64G");
	subject_early(false, SWIOTLB_VERBOSE);
	hi = test_pool(SWIOTLB_HI);
	CHECK(hi.nslabs && hi.nslabs * SLAB <= 1 * GB, "%lu slabs", hi.nslabs);
	CHECK(sim_log_has("hi: size adjusted 33554432 -> "));
	check_nothing_lost();

	/* Rounded up, so that all areas have as much */
	test_boot(&machine, "2048,4,640");
	subject_early(false, SWIOTLB_VERBOSE);
	CHECK_EQ(test_pool(SWIOTLB_HI).nslabs, 1024);
	CHECK(sim_log_has("hi: size rounded up 640 -> 1024 slabs"));
	CHECK(!sim_log_has("adjusted"));
	check_nothing_lost();

	/* No memory above 4 GiB at all */
	test_machine(&machine, 1 * GB, 0, 4);
	test_boot(&machine, ",,64M");
	subject_early(false, SWIOTLB_VERBOSE);
	CHECK_EQ(test_pool(SWIOTLB_HI).nslabs, 0);
	CHECK_EQ(test_pool(SWIOTLB_LO).nslabs, 32768);
	CHECK(sim_log_has("hi: no pool, all devices use lo"));
	check_nothing_lost();
}

static bool reaches(unsigned int bits)
{
	struct device dev;

	sim_device(&dev, "dev", DMA_BIT_MASK(bits));
	return subject_uses_hi(&dev);
}

/* As low as there is room, so that 36 bits are enough on the largest machine */
TEST(init_hi_is_low, .needs_hi = true, .needs_64bit = true)
{
	static const u64 tops[] = { 8 * GB, 64 * GB, 80 * GB, 1024 * GB, 4096 * GB };
	static const unsigned int flags[] = { 0, SWIOTLB_ANY };

	for (int i = 0; i < ARRAY_SIZE(tops); i++)
		for (int how = 0; how < 4; how++) {
			struct sim_machine machine;
			bool upwards = how & 1;

			test_machine(&machine, 1 * GB, tops[i] - 4 * GB, 2);
			test_boot(&machine, ",,1G");
			memblock_set_bottom_up(upwards);
			subject_early(false, flags[how / 2]);
			CHECK_EQ(memblock_bottom_up(), upwards);
			CHECK_EQ(test_pool(SWIOTLB_HI).start, SZ_4G);
			CHECK_EQ(test_pool(SWIOTLB_HI).nslabs, 1 * GB / SLAB);
			CHECK(reaches(33) && !reaches(32), "%llu GiB", tops[i] / GB);
			check_nothing_lost();
		}
}

/* The first range that holds all of it; a smaller pool if there is none */
TEST(init_hi_in_the_first_range, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine;

	test_machine(&machine, 1 * GB, 512 * MB, 2);
	machine.ram[2] = (struct range){ 8 * GB, 10 * GB };
	machine.ram[3] = (struct range){ 100 * GB, 110 * GB };
	test_boot(&machine, ",,1G");
	subject_early(false, 0);
	CHECK_EQ(test_pool(SWIOTLB_HI).start, 8 * GB);
	CHECK(reaches(36));
	test_boot(&machine, ",,4G");
	subject_early(false, 0);
	CHECK_EQ(test_pool(SWIOTLB_HI).start, 100 * GB);

	machine.ram[2].end = 8 * GB + 700 * MB;
	machine.ram[3] = (struct range){ 100 * GB, 101 * GB - 8 * MB };
	test_boot(&machine, ",,1G");
	subject_early(false, 0);
	CHECK_EQ(test_pool(SWIOTLB_HI).start, SZ_4G);
	CHECK_EQ(test_pool(SWIOTLB_HI).nslabs, 512 * MB / SLAB);
	check_nothing_lost();
}

/*
 * A quarter of what is free is left to others, even if firmware has more reserved, where there
 * is no memory, than there is memory.
 */
TEST(init_hi_leaves_a_quarter, .needs_hi = true, .needs_64bit = true)
{
	static const u64 elsewhere[] = { 0, 1 * GB, 100 * GB };
	struct sim_machine machine;

	test_machine(&machine, 256 * MB, 5 * GB, 2);
	for (int i = 0; i < ARRAY_SIZE(elsewhere); i++) {
		test_boot(&machine, "1024,,4G");
		sim_reserved_elsewhere = elsewhere[i];
		subject_early(false, 0);
		CHECK_EQ(test_pool(SWIOTLB_HI).nslabs, 2 * GB / SLAB);
		check_nothing_lost();
	}
}

/* kmemleak reads all that the early allocator gave, unless it is told to leave that alone. */
TEST(init_kmemleak_ignores_hi, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine;

	test_machine(&machine, 256 * MB, 1 * GB, 2);
	test_boot(&machine, "1024,,64M");
	/* One that cannot be had on the first try */
	sim_fail(SIM_FAIL_MEMBLOCK, 3, 1);
	subject_early(false, 0);
	CHECK_EQ(test_pool(SWIOTLB_HI).nslabs, 32 * MB / SLAB);
	CHECK_EQ(sim_not_scanned, test_pool(SWIOTLB_HI).start);
	test_boot(&machine, "1024");
	subject_early(false, 0);
	CHECK_EQ(sim_not_scanned, 0);
}

/* LO that is not low, above HI or across 4 GiB: that is said, and only if HI is asked for. */
TEST(init_lo_above_hi, .needs_hi = true, .needs_64bit = true)
{
	static const char not_low[] = "lo: not below 4 GiB, devices of 32 bits may not reach it";
	static const struct {
		const char *param;
		u64 low;
		unsigned int flags, count;
	} cases[] = {
		{ "4096,,64M", 64 * MB, SWIOTLB_ANY, 1 },
		{ "4096,,64M", 64 * MB, 0, 0 },
		{ "4096", 64 * MB, SWIOTLB_ANY, 0 },
		/* No LO at all */
		{ "4096,,64M", 900 * 1024, 0, 0 },
	};
	struct sim_machine machine;

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		test_machine(&machine, cases[i].low, 1 * GB, 2);
		test_boot(&machine, cases[i].param);
		subject_early(false, cases[i].flags | SWIOTLB_VERBOSE);
		if (cases[i].count)
			CHECK(test_pool(SWIOTLB_LO).start > test_pool(SWIOTLB_HI).end);
		CHECK(sim_log_count(not_low) == cases[i].count, "case %d: %u", i,
		      sim_log_count(not_low));
		check_nothing_lost();
	}
	machine = (struct sim_machine){ .cpus = 1, .ram = { { 0, SZ_4G + 4 * MB } } };
	test_boot(&machine, "4096,,1M");
	subject_early(false, SWIOTLB_ANY | SWIOTLB_VERBOSE);
	CHECK(test_pool(SWIOTLB_LO).start < SZ_4G && test_pool(SWIOTLB_LO).end > SZ_4G);
	CHECK_EQ(sim_log_count(not_low), 1);
}

/* A kdump kernel is as if HI had not been asked for, and says so. */
TEST(init_kdump_has_no_hi, .needs_hi = true, .needs_64bit = true)
{
	static const char none[] = "hi: not set up in a kdump kernel";
	struct sim_machine machine;

	test_machine(&machine, 512 * MB, 1 * GB, 2);
	for (int hi = 0; hi < 2; hi++) {
		test_boot(&machine, hi ? "4096,,256M" : "4096");
		sim_kdump = true;
		subject_early(false, SWIOTLB_VERBOSE);
		CHECK_EQ(subject_nslabs(SWIOTLB_LO), 4096);
		CHECK_EQ(subject_nslabs(SWIOTLB_HI), 0);
		CHECK_EQ(sim_log_count(none), hi);
		CHECK(!sim_log_has("hi: no pool") && !sim_log_has(" bus ["));
		check_nothing_lost();
	}
}

/* Only what is used costs memory: 64 GiB on a machine that has hardly 100 MiB to touch */
TEST(init_hi_of_64_gib, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine;

	test_machine(&machine, 1 * GB, 100 * GB, 4);
	test_boot(&machine, ",,64G");
#ifdef SUBJECT_HAS_LIST
	test_skip("the whole pool is cleared");
#endif
	subject_early(false, SWIOTLB_VERBOSE);
	CHECK_EQ(test_pool(SWIOTLB_HI).nslabs, 64 * GB / SLAB);
	check_nothing_lost();
}

/* LO cannot be had, HI can: those who reach it are served, others are told. */
TEST(init_hi_without_lo, .needs_hi = true, .needs_64bit = true)
{
	static const char none[] = "low: Can not allocate SWIOTLB buffer earlier";
	struct sim_machine machine;
	struct device low, wide;
	phys_addr_t area;
	dma_addr_t dma;

	test_machine(&machine, 900 * 1024, 64 * MB, 1);
	test_boot(&machine, ",,8M,force");
	subject_early(false, SWIOTLB_VERBOSE);
	CHECK_EQ(subject_nslabs(SWIOTLB_LO), 0);
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 8 * MB / SLAB);
	CHECK(sim_log_has("No low mem") && sim_log_has("hi: mapped"));
	check_nothing_lost();
	subject_forbid_growth(true);
	area = sim_alloc_at(SZ_4G, SZ_4G + 64 * MB, MB, PAGE_SIZE);
	sim_device(&low, "low", DMA_BIT_MASK(32));
	sim_device(&wide, "wide", DMA_BIT_MASK(64));
	CHECK(!is_swiotlb_active(&low), "there is no pool for it");
	CHECK(is_swiotlb_active(&wide));
	/* Slabs stay aligned for those who cannot bounce what is not. */
	CHECK(!is_swiotlb_allocated());
	CHECK_EQ(swiotlb_map(&low, area, 4096, DMA_TO_DEVICE, 0), DMA_MAPPING_ERROR);
	CHECK(sim_log_has(none) && !sim_log_has("is full"));
	dma = swiotlb_map(&wide, area, 4096, DMA_TO_DEVICE, 0);
	CHECK(dma != DMA_MAPPING_ERROR);
	swiotlb_tbl_unmap_single(&wide, dma, 4096, DMA_TO_DEVICE, 0);
	test_pools(NULL, true);
	for (int i = 0; i < 8 * MB / SEGMENT; i++)
		CHECK(swiotlb_map(&wide, area, SEGMENT, DMA_TO_DEVICE, 0) != DMA_MAPPING_ERROR);
	CHECK_EQ(swiotlb_map(&wide, area, 4096, DMA_TO_DEVICE, 0), DMA_MAPPING_ERROR);
	CHECK(sim_log_has("wide: swiotlb buffer is full"));
	/* A device that nobody has set a mask for */
	wide.dma_mask = NULL;
	CHECK(!is_swiotlb_active(&wide));

	/* LO can still be had later; HI stays, and nobody says that it is missing. */
	CHECK_EQ(subject_late(512 * 1024, GFP_KERNEL), -ENOMEM);
	sim_log_clear();
	CHECK_EQ(subject_late(2 * MB, GFP_KERNEL), 0);
	CHECK_EQ(subject_nslabs(SWIOTLB_LO), 1024);
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 8 * MB / SLAB);
	CHECK(!sim_log_has("no pool"));
	CHECK(is_swiotlb_active(&low) && is_swiotlb_active(&wide) && is_swiotlb_allocated());
}

TEST(init_adjust_size)
{
	struct sim_machine machine;

	test_machine(&machine, 1 * GB, 0, 2);
	test_boot(&machine, NULL);
	swiotlb_adjust_size(8 * MB);
	CHECK_EQ(swiotlb_size_or_default(), 8 * MB);
	subject_early(false, 0);
	CHECK_EQ(test_pool(SWIOTLB_LO).nslabs, 8 * MB / SLAB);

	/* What the user says stands. */
	test_boot(&machine, "1024");
	swiotlb_adjust_size(8 * MB);
	CHECK_EQ(swiotlb_size_or_default(), 2 * MB);

	/* Areas are known by then: a power of two */
	test_boot(&machine, ",2");
	swiotlb_adjust_size(5 * MB);
	CHECK_EQ(swiotlb_size_or_default(), 8 * MB);
	CHECK(sim_log_has("adjusted to 8MB"));
}

/* A size that the user gives stands, if it is the default, too. */
TEST(init_adjust_size_given, .base_fails = true)
{
	static const struct {
		const char *param;
		bool given;
	} params[] = {
		{ "32768", true },  { "32768,force", true },
		{ "64,1", true },   { "force", false },
		{ ",4", false },    { "x", false },
		{ ",,", false },    { "-5", false },
#ifdef SUBJECT_HAS_HI
		{ "64M", true },    { "64M,,512M", true },
		{ ",,512M", false }, { "32768x", false },
#endif
	};
	struct sim_machine machine;

	test_machine(&machine, 1 * GB, 0, 2);
	for (int i = 0; i < ARRAY_SIZE(params); i++) {
		u64 size;
		char again[] = "force";

		test_boot(&machine, params[i].param);
		size = swiotlb_size_or_default();
		/* One without a size takes nothing back. */
		subject_param(again);
		swiotlb_adjust_size(8 * MB);
		CHECK(swiotlb_size_or_default() == (params[i].given ? size : 8 * MB), "'%s': %lu",
		      params[i].param, swiotlb_size_or_default());
	}
}

TEST(init_encryption, .needs_64bit = true)
{
	struct sim_machine machine;

	test_machine(&machine, 512 * MB, 1 * GB, 2);
	machine.dirty = true;
	test_boot(&machine, "4096,2" WITH_HI("32M"));
	sim_encrypted = true;
	subject_early(false, 0);
	CHECK_EQ(sim_decrypted_bytes, 0);
	swiotlb_update_mem_attributes();
	CHECK_EQ(sim_decrypted_bytes,
		 test_pool(SWIOTLB_LO).nslabs * SLAB + test_pool(SWIOTLB_HI).nslabs * SLAB);
	/* The host sees all of it from now on. */
	for (int type = 0; type < SUBJECT_TYPES; type++) {
		struct subject_pool pool = test_pool(type);

		CHECK(!memchr(phys_to_virt(pool.start), SIM_SECRET, pool.end - pool.start),
		      "memory of type %d was decrypted, and not cleared", type);
	}
	swiotlb_exit();
	CHECK_EQ(sim_decrypted_bytes, 0);
}

TEST(exit_gives_everything_back, .base_fails = true)
{
	struct sim_machine machine;

	test_machine(&machine, 512 * MB, 1 * GB, 4);
	test_boot(&machine, "4096,4" WITH_HI("64M"));
	subject_early(false, 0);
	CHECK(is_swiotlb_allocated());
	swiotlb_exit();
	CHECK(!is_swiotlb_allocated());
	CHECK_EQ(sim_allocated(), 0);
	/* Once more does no harm. */
	swiotlb_exit();
	CHECK_EQ(sim_allocated(), 0);

	test_boot(&machine, "4096,4" WITH_HI("64M") ",force");
	subject_early(false, 0);
	swiotlb_exit();
	CHECK(is_swiotlb_allocated(), "it was asked for by force");
}

TEST(exit_leaves_no_pool_behind, .needs_dynamic = true, .base_fails = true)
{
	struct sim_machine machine;
	struct subject_pool pools[4];

	test_machine(&machine, 512 * MB, 1 * GB, 4);
	test_boot(&machine, NULL);
	subject_early(false, 0);
	swiotlb_exit();
	CHECK_EQ(subject_pools(NULL, pools, ARRAY_SIZE(pools)), 0);
	CHECK_EQ(subject_nslabs(SWIOTLB_LO), 0);
}

/* Readers on other CPUs may have found a pool before: they are waited for, and find it no more. */

static struct subject_pool leaving[2];
static int left;

static void readers_end(void)
{
	struct subject_pool listed[4];
	int n = subject_pools(NULL, listed, ARRAY_SIZE(listed));

	CHECK(left < ARRAY_SIZE(leaving));
	CHECK(!sim_range_is_free(leaving[left].start, SLAB), "freed under a reader");
	for (int i = 0; i < n; i++)
		CHECK(listed[i].start != leaving[left].start, "a new reader finds it");
	left++;
}

TEST(exit_waits_for_readers, .needs_dynamic = true, .base_fails = true)
{
	struct sim_machine machine;

	for (int late = 0; late < 2; late++) {
		int pools;

		test_machine(&machine, 512 * MB, 1 * GB, 4);
		test_boot(&machine, late ? NULL : "4096,4" WITH_HI("64M"));
		if (late)
			CHECK_EQ(subject_late(2 * MB, GFP_KERNEL), 0);
		else
			subject_early(false, 0);
		pools = subject_pools(NULL, leaving, ARRAY_SIZE(leaving));
		left = 0;
		sim_wait_hook = readers_end;
		swiotlb_exit();
		CHECK_EQ(left, pools);
	}
}

TEST(late_init_and_exit)
{
	struct sim_machine machine;

	test_machine(&machine, 512 * MB, 1 * GB, 4);
	for (int i = 0; i < 3; i++) {
		static const gfp_t zones[] = { GFP_KERNEL, GFP_KERNEL | GFP_DMA,
					       GFP_KERNEL | GFP_DMA32 };

		test_boot(&machine, NULL);
		CHECK_EQ(subject_late(2 * MB, zones[i]), 0);
		CHECK_EQ(test_pool(SWIOTLB_LO).nslabs, 1024);
		if (i)
			CHECK(test_pool(SWIOTLB_LO).end <= (i == 1 ? SZ_16M : SZ_4G));
		test_pools(NULL, true);
		/* It is there already. */
		CHECK_EQ(subject_late(2 * MB, zones[i]), 0);
		CHECK_EQ(subject_nslabs(SWIOTLB_LO), 1024);
		swiotlb_exit();
		CHECK_EQ(sim_allocated(), 0);
		CHECK_EQ(sim_decrypted_bytes, 0);
	}
}

TEST(late_init_makes_no_hi, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine;

	test_machine(&machine, 512 * MB, 1 * GB, 4);
	test_boot(&machine, ",,64M");
	CHECK_EQ(subject_late(2 * MB, GFP_KERNEL), 0);
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 0);
	CHECK(sim_log_has("hi: no pool, all devices use lo"));
	/* Nothing stays allocated of a pool that there is not. */
	swiotlb_update_mem_attributes();
	swiotlb_exit();
	CHECK_EQ(sim_allocated(), 0);
}

TEST(late_init_allocations_fail)
{
	struct sim_machine machine;

	test_machine(&machine, 512 * MB, 1 * GB, 4);
	for (unsigned int nth = 1;; nth++) {
		int err;

		test_boot(&machine, NULL);
		sim_fail(SIM_FAIL_PAGES, nth, 1);
		err = subject_late(4 * MB, GFP_KERNEL);
		if (sim_calls(SIM_FAIL_PAGES) < nth)
			break;
		CHECK(err == 0 || err == -ENOMEM);
		CHECK_EQ(!err, is_swiotlb_allocated());
		if (err)
			CHECK_EQ(sim_allocated(), 0);
		else if (nth == 1)
			CHECK(sim_log_has("only able to allocate 2 MB"));
		if (!err)
			swiotlb_exit();
		CHECK_EQ(sim_allocated(), 0);
	}
	test_boot(&machine, NULL);
	sim_fail(SIM_FAIL_PAGES, 1, 1000);
	CHECK_EQ(subject_late(4 * MB, GFP_KERNEL), -ENOMEM);
	CHECK_EQ(sim_allocated(), 0);
}

/* What drivers and growth are told is the size obtained. */
TEST(init_size_is_that_obtained)
{
	struct sim_machine machine;

	test_machine(&machine, 48 * MB, 0, 1);
	test_boot(&machine, NULL);
	subject_early(false, 0);
	CHECK(test_pool(SWIOTLB_LO).nslabs && test_pool(SWIOTLB_LO).nslabs < 32768);
	CHECK_EQ(swiotlb_size_or_default(), test_pool(SWIOTLB_LO).nslabs * SLAB);
	CHECK_EQ(subject_request(SWIOTLB_LO), test_pool(SWIOTLB_LO).nslabs);
}
