// SPDX-License-Identifier: GPL-2.0
/* Sizes, areas, flags and messages at boot; what is decrypted; how far pools may grow */
#include "model.h"

static struct sim_machine machine;

/* At most three quarters of what is free, however much is asked for */
TEST(boot_hi_leaves_memory, .needs_hi = true, .needs_64bit = true)
{
	for (u64 high = 320 * MB; high <= 10 * GB; high += 320 * MB) {
		u64 free, hi;

		test_machine(&machine, 64 * MB, high, 2);
		test_boot(&machine, "512,2");
		subject_early(false, 0);
		free = 64 * MB + high - sim_allocated();
		test_boot(&machine, "512,2,64G");
		subject_early(false, 0);
		hi = subject_nslabs(SWIOTLB_HI) * SLAB;
		CHECK(hi <= free / 4 * 3, "%llu of %llu MiB", hi / MB, free / MB);
		CHECK(hi >= free / 3, "no more than %llu of %llu MiB", hi / MB, free / MB);
	}
}

/* All areas there are to be, unless there are more of them than segments */
TEST(boot_hi_has_all_areas, .needs_hi = true, .needs_64bit = true)
{
	for (unsigned int areas = 1; areas <= 32; areas *= 2)
		for (unsigned int segments = areas + 4; segments < 100; segments += 7) {
			char param[64];

			test_machine(&machine, 64 * MB, 256 * MB, 1);
			snprintf(param, sizeof(param), "4096,%u,%u", areas,
				 segments * IO_TLB_SEGSIZE);
			test_boot(&machine, param);
			subject_early(false, 0);
			CHECK(test_pool(SWIOTLB_HI).nareas == areas, "%s: %u areas", param,
			      test_pool(SWIOTLB_HI).nareas);
			CHECK(test_pool(SWIOTLB_HI).nslabs < (segments + areas) * SEGMENT / SLAB,
			      "%s: %lu slabs", param, test_pool(SWIOTLB_HI).nslabs);
		}
}

/* One for each CPU, rounded up; memory early or late */
TEST(boot_an_area_for_each_cpu)
{
	for (int late = 0; late < 2; late++) {
		test_machine(&machine, 256 * MB, 256 * MB, 6);
		test_boot(&machine, late ? NULL : "4096" WITH_HI(",4M"));
		if (late)
			CHECK_EQ(subject_late(4 * MB, GFP_KERNEL), 0);
		else
			subject_early(false, 0);
		CHECK_EQ(test_pool(SWIOTLB_LO).nareas, 8);
		CHECK(sim_log_has("area num 8."));
		if (!late && SUBJECT_TYPES > 1 && BITS_PER_LONG == 64)
			CHECK_EQ(test_pool(SWIOTLB_HI).nareas, 8);
	}
}

static bool forced(void)
{
	struct device dev;

	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	return is_swiotlb_force_bounce(&dev);
}

TEST(boot_flags)
{
	static const unsigned int flags[] = { 0, SWIOTLB_VERBOSE, SWIOTLB_FORCE, SWIOTLB_ANY };

	for (int i = 0; i < ARRAY_SIZE(flags); i++)
		for (int force = 0; force < 2; force++) {
			test_machine(&machine, 64 * MB, 64 * MB, 1);
			test_boot(&machine, force ? "512,force" : "512");
			CHECK(!forced(), "before there is a pool");
			subject_early(false, flags[i]);
			CHECK_EQ(forced(), force || flags[i] == SWIOTLB_FORCE);
			CHECK_EQ(sim_log_has("mapped [mem "), flags[i] == SWIOTLB_VERBOSE);
			CHECK_EQ(test_pool(SWIOTLB_LO).end <= SZ_4G,
				 flags[i] != SWIOTLB_ANY || BITS_PER_LONG == 32);
		}
	test_boot(&machine, "512,force");
	CHECK_EQ(subject_late(MB * 2, GFP_KERNEL), 0);
	CHECK(forced());
	CHECK(sim_log_has("mapped [mem "));
}

/* Sizes in messages are those that there are. */
TEST(boot_messages)
{
	struct subject_pool pool;
	char text[128];

	test_machine(&machine, 256 * MB, 256 * MB, 2);
	test_boot(&machine, "5000,2" WITH_HI("24M"));
	CHECK(sim_log_has("info: software IO TLB: area num 2."));
	CHECK(sim_log_has("roundup to 16MB"));
	sim_log_clear();
	subject_early(false, SWIOTLB_VERBOSE);
	pool = test_pool(SWIOTLB_LO);
	snprintf(text, sizeof(text), "mapped [mem 0x%016llx-0x", pool.start);
	CHECK(sim_log_has(text) && sim_log_count("(16MB)") == 1);
	pool = test_pool(SWIOTLB_HI);
	if (pool.nslabs) {
		snprintf(text, sizeof(text), "hi: mapped [mem 0x%016llx-0x", pool.start);
		CHECK(sim_log_has(text) && sim_log_count("(24MB)") == 1);
	}
	CHECK(!sim_log_has("warn"));

	/* 4 MiB is what the page allocator has. */
	for (unsigned int fail = 1; fail < 3; fail++) {
		test_boot(&machine, NULL);
		sim_fail(SIM_FAIL_PAGES, 1, fail);
		/* Whatever a late pool lacks, the next smaller size is tried in silence. */
		if (subject_late(4 * MB, GFP_KERNEL))
			continue;
		CHECK(sim_log_has(fail == 1 ? "only able to allocate 2 MB" :
					      "only able to allocate 1 MB"));
		CHECK(!sim_log_has("page allocation failure"));
	}
	test_boot(&machine, NULL);
	CHECK_EQ(subject_late(4 * MB, GFP_KERNEL), 0);
	CHECK(!sim_log_has("warn"));
	swiotlb_exit();
	CHECK_EQ(sim_log_count("tearing down default memory pool"), 1);
}

/* All of a pool, and nothing else, is shared with the host, until it goes. */
TEST(boot_decrypts_pools_only)
{
	struct subject_pool lo, hi;

	for (int late = 0; late < 2; late++) {
		test_machine(&machine, 256 * MB, 256 * MB, 2);
		machine.dirty = true;
		test_boot(&machine, late ? NULL : "4096,2" WITH_HI("24M"));
		if (late)
			CHECK_EQ(subject_late(4 * MB, GFP_KERNEL), 0);
		else
			subject_early(false, 0);
		if (!late)
			swiotlb_update_mem_attributes();
		lo = test_pool(SWIOTLB_LO);
		hi = test_pool(SWIOTLB_HI);
		CHECK_EQ(sim_decrypted(lo.start, lo.end - lo.start), lo.end - lo.start);
		CHECK_EQ(sim_decrypted(hi.start, hi.end - hi.start), hi.end - hi.start);
		CHECK_EQ(sim_decrypted_bytes, lo.end - lo.start + hi.end - hi.start);
		CHECK(!memchr(phys_to_virt(lo.start), SIM_SECRET, lo.end - lo.start));
		swiotlb_exit();
		CHECK_EQ(sim_decrypted_bytes, 0);
		CHECK_EQ(sim_allocated(), 0);
	}
}

/* A pool from the page allocator is decrypted from the beginning, and may be in use. */
TEST(boot_late_pool_stays_as_it_is)
{
	struct mapping *map;
	struct device dev;

	test_machine(&machine, 256 * MB, 0, 2);
	test_boot(&machine, "2048,2,force");
	CHECK_EQ(subject_late(4 * MB, GFP_KERNEL), 0);
	model_begin(false);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	map = model_map(&dev, sim_alloc_at(0, 256 * MB, MB, PAGE_SIZE) + 4096, 5000,
			DMA_BIDIRECTIONAL, 0);
	model_device_writes(map, 0, 5000, 1);
	swiotlb_update_mem_attributes();
	model_check_contents(map);
	model_unmap(map, 0);
}

/* Pools that are added may be as high as the first; Xen's are not added to. */
TEST(boot_limit_of_growth, .needs_dynamic = true)
{
	static const gfp_t zones[] = { GFP_KERNEL | GFP_DMA, GFP_KERNEL | GFP_DMA32, GFP_KERNEL };
	const u64 top = BITS_PER_LONG == 64 ? SZ_4G + 64 * MB - 1 : 256 * MB - 1;
	const u64 limits[] = { SZ_16M - 1, DMA_BIT_MASK(32), top };
	struct hyp_machine hyp = { .layout = HYP_ODD, .low_heap = 16 * MB, .high_heap = 16 * MB };

	for (int i = 0; i < ARRAY_SIZE(zones); i++) {
		test_machine(&machine, 256 * MB, 64 * MB, 1);
		test_boot(&machine, NULL);
		CHECK_EQ(subject_late(MB * 2, zones[i]), 0);
		CHECK_EQ(subject_bus_limit(SWIOTLB_LO), limits[i]);
	}
	test_boot(&machine, "512");
	subject_early(false, 0);
	CHECK_EQ(subject_bus_limit(SWIOTLB_LO), DMA_BIT_MASK(32));
	test_boot(&machine, "512");
	subject_early(false, SWIOTLB_ANY);
	CHECK_EQ(subject_bus_limit(SWIOTLB_LO), top);
	test_boot_xen(64 * MB, &hyp, "512");
	subject_early(true, 0);
#ifdef SUBJECT_HAS_HI /* before it, the limit was that of others */
	CHECK_EQ(subject_bus_limit(SWIOTLB_LO), test_pool(SWIOTLB_LO).bus.end);
#endif
}
