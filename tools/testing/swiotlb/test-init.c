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

	/* No memory above 4 GiB at all */
	test_machine(&machine, 1 * GB, 0, 4);
	test_boot(&machine, ",,64M");
	subject_early(false, SWIOTLB_VERBOSE);
	CHECK_EQ(test_pool(SWIOTLB_HI).nslabs, 0);
	CHECK_EQ(test_pool(SWIOTLB_LO).nslabs, 32768);
	CHECK(sim_log_has("hi: no pool, all devices use lo"));
	check_nothing_lost();
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
	static const char full[] =
		"low: swiotlb buffer is full (sz: 4096 bytes), total 0 (slots), used 0 (slots)";
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
	CHECK_EQ(swiotlb_map(&low, area, 4096, DMA_TO_DEVICE, 0), DMA_MAPPING_ERROR);
	CHECK(sim_log_has(full));
	dma = swiotlb_map(&wide, area, 4096, DMA_TO_DEVICE, 0);
	CHECK(dma != DMA_MAPPING_ERROR);
	swiotlb_tbl_unmap_single(&wide, dma, 4096, DMA_TO_DEVICE, 0);
	test_pools(NULL, true);
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
