// SPDX-License-Identifier: GPL-2.0
/* What LO keeps for the devices that have no other pool, when HI is full */
#include "model.h"

#define MAX_AREAS 16

static struct device wide, low;
static phys_addr_t area;
static unsigned int nr_maps;

/* Given twice, the second time without areas, LO is not rounded up to a power of two. */
static void boot(unsigned int areas, const char *param)
{
	struct sim_machine machine;
	char first[32], second[64];

	test_machine(&machine, 256 * MB, 256 * MB, MAX_AREAS);
	snprintf(first, sizeof(first), "512,%u", areas);
	test_boot(&machine, first);
	snprintf(second, sizeof(second), "%s", param);
	subject_param(second);
	subject_early(false, 0);
	subject_late_files();
	model_begin(false);
	area = sim_alloc_at(0, 256 * MB, 100 * MB, PAGE_SIZE) + 4096;
	sim_device(&wide, "wide", DMA_BIT_MASK(64));
	sim_device(&low, "low", DMA_BIT_MASK(32));
	nr_maps = 0;
}

static struct mapping *map_segment(struct device *dev)
{
	phys_addr_t orig = area + nr_maps++ % 256 * (SEGMENT + 4096);

	return model_map(dev, orig, SEGMENT, DMA_TO_DEVICE, DMA_ATTR_NO_WARN);
}

static unsigned int map_all(struct device *dev)
{
	unsigned int n = 0;

	while (map_segment(dev))
		n++;
	return n;
}

/*
 * HI is full. The first fallback of each CPU stays in its own area, unless all of that
 * is kept; then it goes to the next. All that is not kept can be had; so can the rest,
 * by others.
 */
static void fill(unsigned long lo, unsigned int areas, unsigned long hi)
{
	struct subject_pool pool;
	unsigned long kept;
	unsigned int used[MAX_AREAS] = { 0 }, fallbacks = 0;
	char param[64];

	snprintf(param, sizeof(param), "%lu,,%lu,force", lo * IO_TLB_SEGSIZE, hi * IO_TLB_SEGSIZE);
	boot(areas, param);
	pool = test_pool(SWIOTLB_LO);
	lo = pool.nslabs / IO_TLB_SEGSIZE;
	hi = test_pool(SWIOTLB_HI).nslabs / IO_TLB_SEGSIZE;
	areas = pool.nareas;
	kept = min(lo / 2, hi);
	for (unsigned int n = 0; n < hi; n++)
		CHECK_EQ(model.pools[map_segment(&wide)->pool].type, SWIOTLB_HI);
	for (unsigned int cpu = 0; cpu < areas && fallbacks < lo - kept; cpu++) {
		struct mapping *map;
		unsigned int at;

		sim_use_cpu(cpu);
		map = map_segment(&wide);
		CHECK(map, "%s, %u areas: CPU %u gets nothing", param, areas, cpu);
		at = map->first / pool.area_nslabs;
		used[at]++;
		fallbacks++;
		CHECK(at == cpu || pool.area_nslabs == IO_TLB_SEGSIZE,
		      "%s, %u areas: CPU %u is sent to area %u", param, areas, cpu, at);
	}
	for (unsigned int a = 0; a < areas; a++)
		CHECK(used[a] <= 1, "%s, %u areas: %u CPUs in area %u", param, areas, used[a], a);
	fallbacks += map_all(&wide);
	CHECK(fallbacks == lo - kept, "%s, %u areas: %u fallbacks of %lu segments", param, areas,
	      fallbacks, lo);
	CHECK(hi + fallbacks >= lo, "%s: there would be more without HI", param);
	CHECK_EQ(map_all(&low), kept);
	model_check(true);
}

TEST(reserve_rule, .needs_hi = true, .needs_64bit = true, .seconds = 600)
{
	static const unsigned int his[] = { 4, 5, 7, 16, 17, 64 };
	const unsigned int step = test_stride() | 1;

	for (unsigned int areas = 1; areas <= MAX_AREAS; areas *= 2)
		for (unsigned int lo = 4; lo <= 64; lo = lo < 16 ? lo + step : lo * 2)
			for (int i = 0; i < ARRAY_SIZE(his); i++)
				fill(lo, areas, his[i]);
}

/* Pools that were added keep none: they are there because somebody found no room. */
TEST(reserve_of_several_pools, .needs_hi = true, .needs_64bit = true, .needs_dynamic = true)
{
	for (unsigned int hi = 1; hi <= 16; hi *= 4) {
		char param[64];

		snprintf(param, sizeof(param), "4096,,%uM,force", hi);
		boot(4, param);
		for (int i = 0; i < 3; i++)
			subject_add_pool();
		model_look(NULL);
		CHECK_EQ(model.nr_pools, 5);
		map_all(&wide);
		/* LO has 32 segments of the boot, HI has 4 of each MiB. */
		CHECK_EQ(map_all(&low), min(4 * hi, 16U));
		model_check(true);
	}
}

/* For what HI lacks, LO grows by as much as it does without HI. */
TEST(reserve_while_growing, .needs_hi = true, .needs_64bit = true, .needs_dynamic = true)
{
	unsigned long grown[2];

	for (int with_hi = 0; with_hi < 2; with_hi++) {
		boot(1, with_hi ? "512,,16M,force" : "512,,force");
		subject_forbid_growth(false);
		/* HI has 64 segments, LO 4 or, less the reserve, 2. */
		for (unsigned int n = 0, tries = 0; n < 64 * with_hi + 32; tries++) {
			phys_addr_t tlb = swiotlb_tbl_map_single(&wide, area, SEGMENT, 0,
								 DMA_TO_DEVICE, DMA_ATTR_NO_WARN);

			CHECK(tlb != (phys_addr_t)DMA_MAPPING_ERROR && tries < 200);
			if (strcmp(subject_pool_name(&wide, tlb), "transient")) {
				n++;
				continue;
			}
			swiotlb_tbl_unmap_single(&wide, tlb, SEGMENT, DMA_TO_DEVICE, 0);
			sim_run_deferred();
		}
		grown[with_hi] = subject_nslabs(SWIOTLB_LO);
	}
	/* 28 and 30 segments had to be added, 4 at a time. */
	CHECK_EQ(grown[0], 32 * IO_TLB_SEGSIZE);
	CHECK_EQ(grown[1], 36 * IO_TLB_SEGSIZE);
}
