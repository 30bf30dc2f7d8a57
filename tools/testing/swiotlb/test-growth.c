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

/* HI is full: a transient pool, and LO is not made larger for it. */
TEST(growth_and_hi, .needs_dynamic = true, .needs_hi = true, .needs_64bit = true)
{
	struct mapping *maps[MODEL_MAX_MAPS];
	unsigned int n;

	boot("512,1" WITH_HI("1M") ",force", 64);
	n = fill(maps, 100, 65536);
	CHECK_EQ(n, 16 + 8);
	CHECK(maps[n]->pool == TRANSIENT);
	CHECK(!sim_work_pending());
	for (unsigned int i = 0; i <= n; i++)
		model_unmap(maps[i], 0);
	model_check(true);
}
