// SPDX-License-Identifier: GPL-2.0
/* CONFIG_SWIOTLB_DYNAMIC: pools that are added, and those that last as long as a mapping */
#include "model.h"

static struct device dev;
static phys_addr_t area;

static void boot(const char *param, unsigned int bits)
{
	struct sim_machine machine;

	test_machine(&machine, 256 * MB, 64 * MB, 4);
	test_boot(&machine, param);
	subject_early(false, 0);
	subject_late_files();
	model_begin(false);
	subject_forbid_growth(false);
	model.grows = true;
	sim_device(&dev, "dev", DMA_BIT_MASK(bits));
	area = sim_alloc_at(0, 256 * MB, 128 * MB, PAGE_SIZE) + 4096;
}

static unsigned int fill(struct mapping **maps, unsigned int max, size_t size)
{
	unsigned int n = 0;

	while (n < max &&
	       (maps[n] = model_map(&dev, area + n * (size + 4096), size, DMA_BIDIRECTIONAL, 0)) &&
	       maps[n]->pool != TRANSIENT)
		n++;
	return n;
}

TEST(growth_adds_a_pool, .needs_dynamic = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];
	unsigned int n, more;

	boot("1024,2,force", 32);
	n = fill(maps, 100, 65536);
	CHECK_EQ(n, 32);
	CHECK(maps[n] && maps[n]->pool == TRANSIENT);
	CHECK(sim_work_pending());
	sim_run_deferred();
	model_look(NULL);
	CHECK_EQ(model.nr_pools, 2);
	CHECK_EQ(subject_nslabs(SWIOTLB_LO), 2048);
	more = fill(maps + n + 1, 100, 65536);
	CHECK_EQ(more, 32);
	model_check(true);
	for (unsigned int i = 0; i <= n + more + 1; i++)
		model_unmap(maps[i], 0);
	sim_run_deferred();
	model_check(true);
	test_pools(&dev, true);
}

/* A transient pool is freed with its mapping, and counted while it is there. */
TEST(growth_transient, .needs_dynamic = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];
	unsigned int n;
	u64 before, slab, val;

	boot("512,1,force", 32);
	n = fill(maps, 100, 65536);
	model_unmap(maps[n], 0);
	sim_cancel_work();
	sim_run_deferred();
	before = sim_allocated();
	slab = sim_slab_allocated();
	for (int i = 0; i < 20; i++) {
		struct mapping *map =
			model_map(&dev, area + 100 * MB, 1000 + 3000 * i, DMA_BIDIRECTIONAL, 0);

		CHECK(map && map->pool == TRANSIENT);
		if (SUBJECT_TYPES > 1)
			CHECK_NAME(&dev, map->tlb, "transient");
		if (!sim_file_get("/swiotlb/io_tlb_transient_nslabs", &val))
			CHECK(val >= map->nslots);
		model_device_writes(map, 0, map->size, i);
		model_sync_for_cpu(map, 0, map->size / 2);
		model_unmap(map, 0);
		model_check(true);
		CHECK(sim_allocated() > before, "freed while somebody may look at it");
		sim_cancel_work();
		sim_run_deferred();
		CHECK_EQ(sim_allocated(), before);
		CHECK_EQ(sim_slab_allocated(), slab);
	}
}

/* Transient pools are counted in 64 bits, where a long has 32. */
TEST(growth_of_more_than_4_gib, .needs_dynamic = true, .needs_hi = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];
	u64 bytes = 0, before, after;

	if (BITS_PER_LONG == 64)
		test_skip("a long has 64 bits");
	boot("512,1,force", 32);
	model_unmap(maps[fill(maps, 100, 65536)], 0);
	before = subject_bounced_bytes(SWIOTLB_LO);
	while (bytes < SZ_4G) {
		phys_addr_t tlb = swiotlb_tbl_map_single(&dev, area, SEGMENT, 0, DMA_TO_DEVICE, 0);

		CHECK(tlb != (phys_addr_t)DMA_MAPPING_ERROR);
		swiotlb_tbl_unmap_single(&dev, tlb, SEGMENT, DMA_TO_DEVICE, 0);
		sim_cancel_work();
		sim_run_deferred();
		bytes += SEGMENT;
	}
	after = subject_bounced_bytes(SWIOTLB_LO);
	if (IS_ENABLED(CONFIG_DEBUG_FS))
		CHECK_EQ(after - before, bytes);
}

TEST(growth_without_memory, .needs_dynamic = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];
	unsigned int n;

	boot("512,1,force", 32);
	n = fill(maps, 100, 65536);
	model_unmap(maps[n], 0);
	sim_cancel_work();
	/* The pool, its buffer, its slots: each cannot be had in turn. */
	for (int kind = 0; kind < 2; kind++)
		for (unsigned int nth = 1; nth < 4; nth++) {
			u64 before, slab;

			sim_fail(SIM_FAIL_PAGES, 0, 0);
			sim_fail(SIM_FAIL_SLAB, 0, 0);
			sim_run_deferred();
			before = sim_allocated();
			slab = sim_slab_allocated();
			sim_fail(kind ? SIM_FAIL_SLAB : SIM_FAIL_PAGES, nth, 100);
			subject_add_pool();
			if (sim_calls(kind ? SIM_FAIL_SLAB : SIM_FAIL_PAGES) < nth)
				continue;
			CHECK(sim_log_has("Failed to allocate new pool"));
			CHECK_EQ(sim_allocated(), before);
			CHECK_EQ(sim_slab_allocated(), slab);
		}
	/* Nor a transient pool, once those that could be added are full, too */
	model_look(NULL);
	fill(maps, 200, 65536);
	sim_cancel_work();
	sim_fail(SIM_FAIL_SLAB, 0, 0);
	sim_fail(SIM_FAIL_PAGES, 1, 1000);
	CHECK(!model_map(&dev, area + 100 * MB, 65536, DMA_TO_DEVICE, 0));
	sim_fail(SIM_FAIL_PAGES, 2, 1000);
	CHECK(!model_map(&dev, area + 100 * MB, 65536, DMA_TO_DEVICE, 0));
	sim_fail(SIM_FAIL_PAGES, 0, 0);
	sim_fail(SIM_FAIL_DECRYPT, 1, 1000);
	CHECK(!model_map(&dev, area + 100 * MB, 65536, DMA_TO_DEVICE, 0));
	sim_fail(SIM_FAIL_DECRYPT, 0, 0);
	CHECK(!sim_warnings());
}

/* Growth in steps: a whole pool cannot be had, a half can. */
TEST(growth_by_less, .needs_dynamic = true)
{
	boot("2048,2,force", 32);
	sim_fail(SIM_FAIL_PAGES, 1, 1);
	subject_add_pool();
	CHECK_EQ(subject_nslabs(SWIOTLB_LO), 2048 + 1024);
	sim_fail(SIM_FAIL_PAGES, 1, 2);
	subject_add_pool();
	CHECK_EQ(subject_nslabs(SWIOTLB_LO), 2048 + 1024 + 512);
	model_look(NULL);
	model_check(true);
	/* One that is smaller has fewer areas, and all of them are searched. */
	boot("1024,8,force", 32);
	sim_fail(SIM_FAIL_PAGES, 1, 1);
	subject_add_pool();
	model_look(NULL);
	CHECK_EQ(model.nr_pools, 2);
	{
		struct mapping *maps[MODEL_MAX_MAPS];

		CHECK_EQ(fill(maps, 100, 65536), 16 * 2 + 8 * 2);
	}
	/* The page allocator's largest piece is the limit of a pool. */
	boot("8192,2,force", 32);
	subject_add_pool();
	CHECK_EQ(subject_nslabs(SWIOTLB_LO), 8192 + 2048);
}

/*
 * A number of areas that the size does not divide: from an earlier swiotlb=, or
 * because there was too little memory at boot. No two areas have a segment in
 * common, whatever the pool is.
 */
TEST(growth_areas_of_whole_segments, .needs_dynamic = true, .base_fails = true)
{
	static const char *const params[][2] = {
		{ "65536,4", "1100,force" },
		{ "1024,8", "1024,force" },
	};

	for (int i = 0; i < ARRAY_SIZE(params); i++) {
		struct mapping *maps[MODEL_MAX_MAPS];
		struct sim_machine machine;
		char again[32];
		unsigned int n;

		test_machine(&machine, 256 * MB, 64 * MB, 4);
		test_boot(&machine, params[i][0]);
		snprintf(again, sizeof(again), "%s", params[i][1]);
		subject_param(again);
		sim_fail(SIM_FAIL_MEMBLOCK, 1, i);
		subject_early(false, 0);
		subject_add_pool();
		model_begin(false);
		CHECK_EQ(model.nr_pools, 2);
		for (int p = 0; p < model.nr_pools; p++)
			CHECK(model.pools[p].area_nslabs % IO_TLB_SEGSIZE == 0,
			      "pool %d: %u areas of %u slots", p, model.pools[p].nareas,
			      model.pools[p].area_nslabs);
		sim_device(&dev, "dev", DMA_BIT_MASK(32));
		area = sim_alloc_at(0, 256 * MB, 128 * MB, PAGE_SIZE) + 4096;
		n = fill(maps, 400, 16384);
		CHECK_EQ(n, 2 * model.pools[0].nslabs / 8);
		while (n--)
			model_unmap(maps[n], 0);
		model_check(true);
		test_pools(&dev, true);
	}
}

/* What is asked for in error is refused, and nothing stays allocated. */
TEST(growth_refuses_areas, .needs_dynamic = true, .needs_hi = true)
{
	struct sim_machine machine;
	char again[] = "1536";
	u64 before, slab;

	test_machine(&machine, 256 * MB, 0, 1);
	test_boot(&machine, "512,1");
	subject_param(again);
	subject_early(false, 0);
	before = sim_allocated();
	slab = sim_slab_allocated();
	subject_set_areas(3);
	subject_add_pool();
	CHECK(sim_warnings());
	CHECK_EQ(subject_nslabs(SWIOTLB_LO), 1536);
	CHECK_EQ(sim_allocated(), before);
	CHECK_EQ(sim_slab_allocated(), slab);
}

/* A device that reaches little: pools of its zone, and those it cannot use are not made. */
TEST(growth_within_reach, .needs_dynamic = true)
{
	static const unsigned char bits[] = { 24, 28, 31, 32, 36, 64 };

	for (int i = 0; i < ARRAY_SIZE(bits); i++) {
		struct mapping *map;

		boot("512,1,force", 64);
		while ((map = model_map(&dev, area + 4096, SEGMENT, DMA_TO_DEVICE,
					DMA_ATTR_NO_WARN)) &&
		       map->pool != TRANSIENT)
			area += SEGMENT + 4096;
		dev.dma_mask_value = DMA_BIT_MASK(bits[i]);
		map = model_map(&dev, area + SEGMENT + 8192, 20000, DMA_TO_DEVICE, 0);
		CHECK(map || bits[i] == 24 || bits[i] == 28, "%u bits", bits[i]);
		if (map)
			CHECK(map->dma + 20000 <= DMA_BIT_MASK(bits[i]));
	}
}

/* Memory of the first choice is out of reach: from the next zone then, or not at all. */
TEST(growth_other_zones, .needs_dynamic = true, .needs_64bit = true)
{
	static const unsigned char bits[] = { 23, 31, 36, 40 };

	for (int i = 0; i < ARRAY_SIZE(bits); i++)
		for (int small = 0; small < 2; small++) {
			struct mapping *map;
			struct sim_machine machine;
			u64 where = 0;

			test_machine(&machine, 3 * GB, 80 * GB, 1);
			test_boot(&machine, "512,1,force");
			subject_early(false, 0);
			model_begin(false);
			subject_forbid_growth(false);
			model.grows = true;
			sim_device(&dev, "dev", DMA_BIT_MASK(64));
			area = sim_alloc_at(0, 3 * GB, 16 * MB, PAGE_SIZE) + 4096;
			/* Nothing below 16 MiB, and nothing below 4 GiB */
			if (small) {
				while (sim_alloc_at(0, 16 * MB, 4096, 4096))
					;
			}
			do {
				map = model_map(&dev, area + where, SEGMENT, DMA_TO_DEVICE, 0);
				where += SEGMENT + 8192;
			} while (map && map->pool != TRANSIENT);
			dev.dma_mask_value = DMA_BIT_MASK(bits[i]);
			map = model_map(&dev, area + where, 9000, DMA_TO_DEVICE, 0);
			CHECK(!map == (bits[i] == 23 || (small && bits[i] == 31)), "%u bits, %d",
			      bits[i], small);
			if (map)
				CHECK(map->dma + 8999 <= DMA_BIT_MASK(bits[i]));
		}
}

/* Memory encryption: from the atomic pools when nobody may sleep */
TEST(growth_encrypted, .needs_dynamic = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];
	unsigned int n;

	boot("512,1,force", 32);
	dev.unencrypted = true;
	n = fill(maps, 100, 65536);
	CHECK(!maps[n], "decrypted while nobody may sleep");
	CHECK(sim_work_pending());
	/* Pages that cannot be encrypted again are lost on purpose, and not given away. */
	sim_fail(SIM_FAIL_DECRYPT, 1, 1);
	sim_fail(SIM_FAIL_ENCRYPT, 1, 1);
	subject_add_pool();
	CHECK(sim_log_has("buffer is full"));
}

static void check_found(phys_addr_t tlb, size_t size, bool there)
{
	struct io_tlb_pool *pool = swiotlb_find_pool(&dev, tlb);

	CHECK_EQ(!!pool, there);
	CHECK(swiotlb_find_pool(&dev, tlb + size - 1) == pool);
	if (!there)
		return;
	CHECK(swiotlb_find_pool(&dev, tlb - SLAB) != pool);
	CHECK(swiotlb_find_pool(&dev, ALIGN(tlb + size, SLAB)) != pool);
}

/* Who has an address finds the pool, for as long as there is one. */
TEST(growth_found_by_address, .needs_dynamic = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];

	boot("512,1,force", 32);
	maps[0] = maps[fill(maps, 100, 65536)];
	for (int i = 1; i < 300; i++) {
		maps[i] = model_map(&dev, area + 16 * MB + i * 40000, 20000, DMA_BIDIRECTIONAL, 0);
		CHECK(maps[i] && maps[i]->pool == TRANSIENT);
	}
	sim_cancel_work();
	for (int i = 1; i < 300; i += 2) {
		phys_addr_t tlb = maps[i]->tlb;

		check_found(tlb, 20000, true);
		model_unmap(maps[i], 0);
		check_found(tlb, 20000, false);
		if (i % 3)
			sim_run_deferred();
		check_found(tlb, 20000, false);
	}
	for (int i = 2; i < 300; i += 2)
		model_sync_for_cpu(maps[i], 100, 1000);
	/* One that is added is found to the last byte. */
	subject_add_pool();
	model_look(NULL);
	CHECK_EQ(model.nr_pools, 2);
	for (phys_addr_t p = model.pools[1].start; p < model.pools[1].end; p += SLAB)
		CHECK(swiotlb_find_pool(&dev, p + SLAB - 1) == model.pools[1].raw);
}

/*
 * Another CPU maps as soon as a pool is listed, with the lock held and before the pool is
 * counted: it finds the pool by the address that it got.
 */

static unsigned int listed_maps;

static void map_in_what_is_listed(void)
{
	dma_addr_t dma;

	sim_use_cpu(1);
	dma = swiotlb_map(&dev, area, 2048, DMA_TO_DEVICE, DMA_ATTR_NO_WARN);
	if (dma != DMA_MAPPING_ERROR) {
		CHECK(swiotlb_find_pool(&dev, dma), "the pool of a mapping is not found");
		swiotlb_tbl_unmap_single(&dev, dma, 2048, DMA_TO_DEVICE, 0);
		listed_maps++;
	}
	sim_use_cpu(0);
}

static void map_while_a_pool_is_added(void)
{
	listed_maps = 0;
	subject_forbid_growth(true);
	sim_listed_hook = map_in_what_is_listed;
	subject_add_pool();
	sim_listed_hook = NULL;
	CHECK_EQ(listed_maps, 1);
	test_pools(&dev, false);
}

TEST(growth_found_as_soon_as_listed, .needs_dynamic = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];

	boot("512,2,force", 32);
	model_unmap(maps[fill(maps, 100, 65536)], 0);
	sim_cancel_work();
	sim_run_deferred();
	map_while_a_pool_is_added();
}

/* Others look for theirs in the same 4 MiB when the pool is not yet its device's. */

static struct mapping *others;

static void look_for_others(void)
{
	listed_maps++;
	check_found(others->tlb, others->size, true);
}

TEST(growth_whole_when_it_is_hashed, .needs_dynamic = true)
{
	const unsigned int shift = PAGE_SHIFT + MAX_PAGE_ORDER;
	struct mapping *maps[MODEL_MAX_MAPS], *map;

	boot("512,1,force", 32);
	others = maps[fill(maps, 100, 65536)];
	sim_cancel_work();
	CHECK(others && others->pool == TRANSIENT);
	sim_listed_hook = look_for_others;
	listed_maps = 0;
	map = model_map(&dev, area + 64 * MB, 20000, DMA_TO_DEVICE, 0);
	sim_listed_hook = NULL;
	CHECK(map && map->pool == TRANSIENT);
	CHECK_EQ(map->tlb >> shift, others->tlb >> shift);
	CHECK(listed_maps || SUBJECT_TYPES == 1);
	model_unmap(map, 0);
	model_unmap(others, 0);
}

/* From the atomic pools, where a pool can begin at any page: before and in 4 MiB's multiple */
TEST(growth_at_any_page, .needs_dynamic = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];
	const u64 size = 20000;
	u64 before;

	boot("512,1,force", 32);
	fill(maps, 100, 65536);
	sim_cancel_work();
	dev.unencrypted = true;
	sim_atomic_pool = true;
	before = sim_allocated();
	for (u64 end = 12 * MB + 5 * PAGE_SIZE; end > 12 * MB - PAGE_SIZE; end -= PAGE_SIZE) {
		u64 rest = 16 * MB - end;
		struct mapping *map;
		phys_addr_t tlb;

		CHECK_EQ(sim_alloc_at(end, 16 * MB, rest, PAGE_SIZE), end);
		map = model_map(&dev, area + 16 * MB, size, DMA_BIDIRECTIONAL, 0);
		CHECK(map && map->pool == TRANSIENT);
		tlb = map->tlb;
		CHECK_EQ(tlb + 5 * PAGE_SIZE, end);
		check_found(tlb, size, true);
		model_device_writes(map, 0, size, end >> PAGE_SHIFT);
		model_sync_for_cpu(map, size / 2, size / 2);
		model_unmap(map, 0);
		check_found(tlb, size, false);
		sim_cancel_work();
		sim_run_deferred();
		check_found(tlb, size, false);
		sim_free(end, rest);
		CHECK_EQ(sim_allocated(), before);
	}
}

/* Devices that are told the limit before there is more */
TEST(growth_limit, .needs_dynamic = true, .needs_hi = true)
{
	boot("512,1,force", 32);
	CHECK_EQ(subject_bus_limit(SWIOTLB_LO), 0xffffffff);
	subject_forbid_growth(true);
	CHECK_EQ(subject_bus_limit(SWIOTLB_LO), test_pool(SWIOTLB_LO).end - 1);
	CHECK_EQ(subject_bus_limit(SWIOTLB_HI), PHYS_ADDR_MAX);
}

TEST(growth_stops_for_who_looks_at_the_base, .needs_dynamic = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];
	unsigned int n;

	boot("512,1,force", 32);
	CHECK_EQ(default_swiotlb_base(), test_pool(SWIOTLB_LO).start);
	model.grows = false;
	n = fill(maps, 100, 65536);
	CHECK_EQ(n, 16);
	CHECK(!maps[n] && !sim_work_pending());
}

/*
 * The same where LO is above HI: it does not grow for a device that does not reach it, and is
 * not used by one either, if another made it grow.
 */
TEST(growth_lo_above_hi, .needs_dynamic = true, .needs_hi = true, .needs_64bit = true)
{
	static const unsigned char bits[] = { 36, 37 };
	static struct mapping *maps[MODEL_MAX_MAPS];

	for (int i = 0; i < ARRAY_SIZE(bits); i++) {
		struct sim_machine machine;
		unsigned int n;

		test_machine(&machine, 64 * MB, 76 * GB, 1);
		test_boot(&machine, "512,1,1M,force");
		subject_early(false, SWIOTLB_ANY);
		subject_late_files();
		model_begin(false);
		subject_forbid_growth(false);
		model.grows = true;
		sim_device(&dev, "dev", DMA_BIT_MASK(bits[i]));
		area = sim_alloc_at(0, 64 * MB, 30 * MB, PAGE_SIZE) + 4096;
		n = fill(maps, 100, 65536);
		CHECK_EQ(n, bits[i] == 36 ? 16 : 24);
		CHECK(maps[n] && maps[n]->pool == TRANSIENT);
		CHECK_EQ(sim_work_pending(), bits[i] == 37);
		sim_cancel_work();
		subject_add_pool();
		model_look(NULL);
		CHECK_EQ(fill(maps + n + 1, 100, 65536), bits[i] == 36 ? 0 : 16);
		test_pools(&dev, false);
	}
}

/*
 * One of two LO pools is out of reach, the one from boot or the one that was added: the next
 * may be so as well, and is not asked for.
 */
TEST(growth_one_pool_out_of_reach, .needs_dynamic = true, .needs_hi = true, .needs_64bit = true)
{
	const u64 reach = 64 * GB, top = 80 * GB;

	for (int added_high = 0; added_high < 2; added_high++) {
		struct mapping *maps[MODEL_MAX_MAPS];
		struct sim_machine machine;
		unsigned int n;

		test_machine(&machine, 64 * MB, top - SZ_4G, 1);
		test_boot(&machine, "512,1,1M,force");
		/* What is above is somebody else's while one of them is made. */
		if (added_high)
			CHECK(sim_alloc_at(reach, top, top - reach, PAGE_SIZE));
		subject_early(false, SWIOTLB_ANY);
		if (added_high)
			sim_free(reach, top - reach);
		else
			while (sim_alloc_at(reach, top, PAGE_SIZE, PAGE_SIZE))
				;
		subject_add_pool();
		model_begin(false);
		subject_forbid_growth(false);
		model.grows = true;
		CHECK_EQ(model.nr_pools, 3);
		sim_device(&dev, "dev", DMA_BIT_MASK(36));
		area = sim_alloc_at(0, 64 * MB, 30 * MB, PAGE_SIZE) + 4096;
		n = fill(maps, 100, 65536);
		/* HI, and the pool in reach, but for the reserve if it was there at boot */
		CHECK_EQ(n, 16 + (added_high ? 8 : 16));
		CHECK(maps[n] && maps[n]->pool == TRANSIENT);
		CHECK(!sim_work_pending(), "LO grows, added_high=%d", added_high);
	}
}

/*
 * There is HI, and there was no memory for LO. It is asked for, and another CPU gets a slot
 * when the pool is listed, and not yet counted among what LO has.
 */
TEST(growth_of_an_empty_lo, .needs_dynamic = true, .needs_hi = true, .needs_64bit = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];
	struct sim_machine machine;
	unsigned int n;

	test_machine(&machine, 256 * MB, 64 * MB, 4);
	test_boot(&machine, "512,1,1M,force");
	sim_fail(SIM_FAIL_MEMBLOCK, 1, 1);
	subject_early(false, 0);
	CHECK_EQ(subject_nslabs(SWIOTLB_LO), 0);
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 512);
	model_begin(false);
	subject_forbid_growth(false);
	model.grows = true;
	sim_device(&dev, "dev", DMA_BIT_MASK(64));
	area = sim_alloc_at(0, 256 * MB, 128 * MB, PAGE_SIZE) + 4096;
	n = fill(maps, 100, 65536);
	CHECK_EQ(n, 16);
	CHECK(maps[n] && maps[n]->pool == TRANSIENT);
	CHECK(sim_work_pending());
	sim_cancel_work();
	map_while_a_pool_is_added();
}

/* Nor does it need to reach the highest address that a pool could have. */
TEST(growth_through_windows, .needs_dynamic = true, .needs_hi = true, .needs_64bit = true)
{
	const struct bus_dma_region windows[] = {
		{ 0, 0, 256 * MB }, { SZ_4G, SZ_4G, 256 * MB }, {}
	};
	struct mapping *maps[MODEL_MAX_MAPS];

	boot("512,1,1M,force", 64);
	dev.dma_range_map = windows;
	CHECK_EQ(fill(maps, 100, 65536), 16 + 8);
	CHECK(sim_work_pending());
	sim_cancel_work();
	test_pools(&dev, false);
}

/* HI is full, and what is there of LO: a transient pool, and LO grows. */
TEST(growth_and_hi, .needs_dynamic = true, .needs_hi = true, .needs_64bit = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];
	unsigned int n, more;

	boot("512,1" WITH_HI("1M") ",force", 64);
	n = fill(maps, 100, 65536);
	CHECK_EQ(n, 16 + 8);
	CHECK(maps[n]->pool == TRANSIENT);
	CHECK(sim_work_pending());
	sim_run_deferred();
	model_look(NULL);
	CHECK_EQ(subject_nslabs(SWIOTLB_LO), 1024);
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 512);
	/* Not for ever from transient pools, and all of what was added is used */
	more = fill(maps + n + 1, 100, 65536);
	CHECK_EQ(more, 16);
	for (unsigned int i = 0; i <= n + more + 1; i++)
		model_unmap(maps[i], 0);
	model_check(true);
}

/* A pool for one mapping, in which it does not fit: an error, and nothing is lost. */
TEST(growth_transient_that_does_not_suit, .needs_dynamic = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];
	unsigned int failed = 0;
	u64 before, slab;

	boot("512,1,force", 32);
	model_unmap(maps[fill(maps, 100, 65536)], 0);
	sim_cancel_work();
	sim_run_deferred();
	before = sim_allocated();
	slab = sim_slab_allocated();
	/* Its place within 64 KiB is to be the buffer's: the page allocator has a page. */
	dev.min_align_mask = 0xffff;
	for (unsigned int offset = 0; offset < 0x10000; offset += 4096) {
		dma_addr_t dma = swiotlb_map(&dev, area + 64 * MB + offset, 2048, DMA_TO_DEVICE,
					     DMA_ATTR_NO_WARN);

		failed += dma == DMA_MAPPING_ERROR;
		if (dma != DMA_MAPPING_ERROR)
			swiotlb_tbl_unmap_single(&dev, dma, 2048, DMA_TO_DEVICE, 0);
		sim_cancel_work();
		sim_run_deferred();
		CHECK_EQ(sim_allocated(), before);
		CHECK_EQ(sim_slab_allocated(), slab);
	}
	CHECK(failed, "all of them did, and nothing was tested");
}

/* Drivers map with interrupts off, and look at what is mapped. */
TEST(growth_with_interrupts_off, .needs_dynamic = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];
	unsigned long flags;
	dma_addr_t dma;

	boot("512,1,force", 32);
	fill(maps, 100, 65536);
	local_irq_save(flags);
	dma = swiotlb_map(&dev, area + 64 * MB, 20000, DMA_BIDIRECTIONAL, 0);
	CHECK(dma != DMA_MAPPING_ERROR);
	CHECK(swiotlb_find_pool(&dev, dma));
	swiotlb_tbl_unmap_single(&dev, dma, 20000, DMA_BIDIRECTIONAL, 0);
	local_irq_restore(flags);
	sim_run_deferred();
	CHECK(!swiotlb_find_pool(&dev, dma));
}

/* What is counted of a transient pool: the buffer, without what is before it */
TEST(growth_counts_the_buffer, .needs_dynamic = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];

	boot("512,1" WITH_HI("1M") ",force", 32);
	fill(maps, 100, 65536);
	dev.min_align_mask = 0x7ff;
	for (int i = 0; i < 10; i++) {
		struct mapping *map = model_map(&dev, area + 64 * MB + 111 * i, 3000 * i + 1,
						DMA_TO_DEVICE, 0);

		CHECK(map && map->pool == TRANSIENT);
		model_check(true);
		model_unmap(map, 0);
		sim_cancel_work();
		sim_run_deferred();
		model_check(true);
	}
}

/* A transient pool is where the bus of the device reaches, too. */
TEST(growth_bus_limit, .needs_dynamic = true)
{
	for (u64 limit = 32 * MB; limit < 256 * MB; limit *= 2) {
		struct mapping *maps[MODEL_MAX_MAPS];
		dma_addr_t dma;

		boot("512,1,force", 32);
		fill(maps, 100, 65536);
		dev.bus_dma_limit = limit - 1;
		dma = swiotlb_map(&dev, area, 20000, DMA_TO_DEVICE, DMA_ATTR_NO_WARN);
		/* Of the zones, only that of 16 MiB lies below. */
		CHECK(dma != DMA_MAPPING_ERROR && dma + 20000 <= limit, "0x%llx for 0x%llx", dma,
		      limit);
		CHECK(!sim_warnings());
	}
}

/* It is tried whenever pools are full: what fails is no news each time. */
TEST(growth_fails_quietly, .needs_dynamic = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];

	boot("512,1,force", 32);
	fill(maps, 100, 65536);
	sim_log_clear();
	sim_fail(SIM_FAIL_PAGES, 1, 1000);
	CHECK_EQ(swiotlb_map(&dev, area, 20000, DMA_TO_DEVICE, DMA_ATTR_NO_WARN),
		 DMA_MAPPING_ERROR);
	CHECK(!sim_log_has("warn"));
	sim_run_deferred();
	CHECK(sim_log_has("warn, limited: software IO TLB: Failed to allocate new pool"));
}

/* A transient pool may end at the last byte that the device reaches, and not behind it. */
TEST(growth_up_to_the_last_byte, .needs_dynamic = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];
	phys_addr_t tlb;

	boot("512,1,force", 32);
	fill(maps, 100, 65536);
	for (int d = 0; d < 2; d++) {
		dma_addr_t dma;

		dev.bus_dma_limit = 0;
		tlb = swiotlb_map(&dev, area, 20000, DMA_TO_DEVICE, 0);
		swiotlb_tbl_unmap_single(&dev, tlb, 20000, DMA_TO_DEVICE, 0);
		sim_cancel_work();
		sim_run_deferred();
		dev.bus_dma_limit = ALIGN_DOWN(tlb, SLAB) + 10 * SLAB - 1 - d;
		dma = swiotlb_map(&dev, area, 20000, DMA_TO_DEVICE, 0);
		CHECK(dma != DMA_MAPPING_ERROR && (dma == tlb) == !d, "0x%llx and 0x%llx",
		      dma, tlb);
		swiotlb_tbl_unmap_single(&dev, dma, 20000, DMA_TO_DEVICE, 0);
		sim_cancel_work();
		sim_run_deferred();
	}
}

/* The page allocator warns of those who ask for more than it ever has. */
TEST(growth_of_the_largest_size, .needs_dynamic = true)
{
	boot("32768,1,force", 32);
	subject_add_pool();
	model_look(NULL);
	CHECK_EQ(model.nr_pools, 2);
	CHECK_EQ(model.pools[1].nslabs, (PAGE_SIZE << MAX_PAGE_ORDER) / SLAB);
	CHECK(!sim_log_has("page allocation failure"));
}

/* What is added is as large as LO, however large HI is; HI's limit is its own. */
TEST(growth_by_the_size_of_lo, .needs_dynamic = true, .needs_hi = true, .needs_64bit = true)
{
	boot("1024,2,4M,force", 32);
	CHECK_EQ(subject_bus_limit(SWIOTLB_HI), test_pool(SWIOTLB_HI).bus.end);
	subject_add_pool();
	CHECK_EQ(subject_nslabs(SWIOTLB_LO), 2048);
}

/* Pages that turn out to be out of reach go back before others are asked for. */
TEST(growth_out_of_reach_leaves_nothing, .needs_dynamic = true, .needs_64bit = true)
{
	struct sim_machine machine;
	phys_addr_t orig;
	struct device dev;
	dma_addr_t dma[3];
	u64 before;

	test_machine(&machine, 512 * MB, 80 * GB, 1);
	test_boot(&machine, "512,1,force");
	subject_early(false, 0);
	subject_forbid_growth(false);
	orig = sim_alloc_at(0, 512 * MB, SEGMENT, PAGE_SIZE);
	sim_device(&dev, "dev", DMA_BIT_MASK(36));
	for (int i = 0; i < 4; i++)
		CHECK(swiotlb_map(&dev, orig, SEGMENT, DMA_TO_DEVICE, 0) != DMA_MAPPING_ERROR);
	before = sim_allocated();
	for (int i = 0; i < 3; i++) {
		dma[i] = swiotlb_map(&dev, orig, 9000, DMA_TO_DEVICE, 0);
		CHECK(dma[i] != DMA_MAPPING_ERROR);
	}
	sim_cancel_work();
	for (int i = 0; i < 3; i++)
		swiotlb_tbl_unmap_single(&dev, dma[i], 9000, DMA_TO_DEVICE, 0);
	sim_run_deferred();
	CHECK_EQ(sim_allocated(), before);
}
