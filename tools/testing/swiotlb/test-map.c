// SPDX-License-Identifier: GPL-2.0
/* Where mappings are put, and what they carry: small spaces, all of them. */
#include "model.h"

static const struct {
	const char *param;
	struct range high; /* memory besides 64 MiB at 0 */
	bool has_hi;
} combinations[] = {
	{ "1024,1,force", {}, false },
	{ "1024,4,force", { 4 * GB, 4 * GB + 64 * MB }, false },
#ifdef SUBJECT_HAS_HI
	{ "1024,1,1M,force", { 4 * GB, 4 * GB + 64 * MB }, true },
	{ "1024,4,2M,force", { 4 * GB, 4 * GB + 64 * MB }, true },
	/* HI lies between 64 and 128 GiB: 36 bits do not reach it. */
	{ "512,1,1M,force", { 80 * GB, 80 * GB + 64 * MB }, true },
#endif
};

static const u32 align_masks[] = { 0, 0x7ff, 0xfff, 0x1fff, 0xffff };
static const unsigned long boundaries[] = { ~0UL, 0xffffffff, 0x3ffff, 0xffff, 0x3fff, 0xfff };

static void sizes_and_places(struct device *dev, phys_addr_t area)
{
	static const size_t sizes[] = {
		1,    512,   2047,  2048,   2049,   4095,   4096,   4097,
		8192, 12288, 65536, 131072, 262143, 262144, 262145,
	};
	static const unsigned int offsets[] = { 0, 1, 512, 2048, 2049, 4095, 4096, 8191, 0x8400 };

	for (int s = 0; s < ARRAY_SIZE(sizes); s++)
		for (int o = 0; o < ARRAY_SIZE(offsets); o++) {
			struct mapping *map;

			if (sizes[s] > 70000 && o % 4) /* time: the large ones with two offsets */
				continue;
			map = model_map(dev, area + 0x10000 + offsets[o], sizes[s],
					DMA_BIDIRECTIONAL, 0);
			if (!map)
				continue;
			model_check_segments(map);
			model_device_writes(map, 0, sizes[s] > 64 ? 64 : sizes[s], s);
			model_unmap(map, 0);
		}
}

/* Every mask with every combination of pools, boundary and alignment */
static void all_masks(int which)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t area;

	test_machine(&machine, 64 * MB, 0, 1);
	if (BITS_PER_LONG == 64)
		machine.ram[1] = combinations[which].high;
	test_boot(&machine, combinations[which].param);
	subject_early(false, 0);
	subject_late_files();
	CHECK_EQ(subject_nslabs(SWIOTLB_HI) != 0,
		 combinations[which].has_hi && BITS_PER_LONG == 64);
	model_begin(false);
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	for (unsigned int bits = 24; bits <= 64; bits += test_stride())
		for (int a = 0; a < ARRAY_SIZE(align_masks); a++)
			for (int b = 0; b < ARRAY_SIZE(boundaries); b++) {
				/*
				 * Contradicts itself: where a buffer lies is more than
				 * what it may cross.
				 */
				if (align_masks[a] > boundaries[b])
					continue;
				sim_device(&dev, "device", DMA_BIT_MASK(bits));
				dev.min_align_mask = align_masks[a];
				dev.seg_boundary = boundaries[b];
				sizes_and_places(&dev, area);
			}
	model_check(true);
	test_pools(NULL, true);
}

TEST(map_all_masks_lo)
{
	all_masks(0);
}

TEST(map_all_masks_lo_four_areas)
{
	all_masks(1);
}

#ifdef SUBJECT_HAS_HI
TEST(map_all_masks_hi, .needs_64bit = true)
{
	all_masks(2);
}

TEST(map_all_masks_hi_four_areas, .needs_64bit = true)
{
	all_masks(3);
}

TEST(map_all_masks_hi_above_36_bits, .needs_64bit = true)
{
	all_masks(4);
}
#endif

/* Pools that are full, slot by slot: what fits, and what does not */
static void fill(const char *param, u64 high, size_t size, unsigned int align_mask)
{
	struct sim_machine machine;
	struct device low, wide;
	struct mapping *maps[MODEL_MAX_MAPS] = { 0 };
	phys_addr_t area;
	unsigned int n = 0;

	test_machine(&machine, 256 * MB, high, 2);
	test_boot(&machine, param);
	subject_early(false, 0);
	subject_late_files();
	model_begin(false);
	area = sim_alloc_at(0, 256 * MB, 200 * MB, PAGE_SIZE) + 4096;
	sim_device(&low, "low", DMA_BIT_MASK(32));
	sim_device(&wide, "wide", DMA_BIT_MASK(64));
	wide.min_align_mask = align_mask;

	while (n < MODEL_MAX_MAPS && (maps[n] = model_map(&wide, area + n * 270001ULL, size,
							  DMA_TO_DEVICE, DMA_ATTR_NO_WARN)))
		n++;
	CHECK(n && n < MODEL_MAX_MAPS, "%u mappings of %zu bytes", n, size);
	model_check(true);
	/* What is left is for the others. */
	while (n < MODEL_MAX_MAPS && (maps[n] = model_map(&low, area + n * 270001ULL, size,
							  DMA_FROM_DEVICE, DMA_ATTR_NO_WARN)))
		n++;
	model_check(true);
	CHECK(n < MODEL_MAX_MAPS);
	/* Every other one goes, then smaller ones come. */
	for (unsigned int i = 0; i < n; i += 2) {
		model_unmap(maps[i], 0);
		maps[i] = model_map(i % 4 ? &low : &wide, area + i * 270001ULL, size / 2 + 1,
				    DMA_BIDIRECTIONAL, DMA_ATTR_NO_WARN);
	}
	model_check(true);
	for (unsigned int i = 0; i < n; i++)
		if (maps[i])
			model_unmap(maps[i], 0);
	model_check(true);
	test_pools(NULL, true);
	CHECK(!sim_log_has("buffer is full"), "a message, though none was wanted");
}

TEST(map_until_full)
{
	static const size_t sizes[] = { 8192, 10000, 16384, 65536, 100000, 200000, 262144 };
	static const unsigned int masks[] = { 0, 0xfff };

	for (int s = 0; s < ARRAY_SIZE(sizes); s++)
		for (int m = 0; m < ARRAY_SIZE(masks); m++) {
			if (sizes[s] == 262144 && masks[m])
				continue;
			fill("512,1,force", 0, sizes[s], masks[m]);
#ifdef SUBJECT_HAS_HI
			if (BITS_PER_LONG == 32)
				continue;
			fill("512,1,1M,force", 64 * MB, sizes[s], masks[m]);
			fill("512,2,1M,force", 64 * MB, sizes[s], masks[m]);
#endif
		}
}

static const char full[] =
	"dev: swiotlb buffer is full (sz: 5000 bytes), total 512 (slots), used 512 (slots)\n";

/* What is said, and to whom, when a mapping fails */
TEST(map_messages)
{
	struct sim_machine machine;
	struct device dev;
	struct mapping *maps[8];
	phys_addr_t area;

	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, "512,1,force");
	subject_early(false, 0);
	subject_late_files();
	model_begin(false);
	subject_forbid_growth(true);
	area = sim_alloc_at(0, 64 * MB, 4 * MB, PAGE_SIZE);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	CHECK(!model_map(&dev, area + 4096, SEGMENT + 1, DMA_TO_DEVICE, 0));
#ifdef SUBJECT_HAS_HI
	CHECK(sim_log_has("mapping of 262145 bytes exceeds the largest of 262144 bytes"));
#endif
	CHECK(!sim_log_has("failures"));
	sim_log_clear();
	for (int i = 0; i < 4; i++)
		CHECK((maps[i] = model_map(&dev, area + 4096 + i * 300000, SEGMENT, DMA_TO_DEVICE,
					   0)));
	CHECK(!model_map(&dev, area + 2 * MB, 5000, DMA_TO_DEVICE, 0));
	CHECK(sim_log_has(full));
	sim_log_clear();
	CHECK(!model_map(&dev, area + 2 * MB, 5000, DMA_TO_DEVICE, DMA_ATTR_NO_WARN));
	CHECK(!model_map(&dev, area + 2 * MB, SEGMENT + 1, DMA_TO_DEVICE, DMA_ATTR_NO_WARN));
	CHECK(!sim_log_has("warn"));
	for (int i = 0; i < 4; i++)
		model_unmap(maps[i], 0);
}

/* With two pools: which of them it is, why it has no room, and what to raise */
TEST(map_messages_with_hi, .needs_hi = true, .needs_64bit = true)
{
	static const char buffer[] = "swiotlb buffer is full";
	struct mapping *maps[MODEL_MAX_MAPS] = { 0 };
	struct device low, wide;
	struct sim_machine machine;
	phys_addr_t area;
	char want[160];
	int n = 0;

	test_machine(&machine, 64 * MB, 64 * MB, 1);
	test_boot(&machine, "512,1,1M,force");
	subject_early(false, 0);
	model_begin(false);
	subject_forbid_growth(true);
	area = sim_alloc_at(0, 64 * MB, 16 * MB, PAGE_SIZE) + 4096;
	sim_device(&low, "low", DMA_BIT_MASK(32));
	sim_device(&wide, "wide", DMA_BIT_MASK(64));
	while ((maps[n] = model_map(&wide, area + n * 300000, SEGMENT / 2, DMA_TO_DEVICE,
				    DMA_ATTR_NO_WARN)))
		n++;
	CHECK(!model_map(&wide, area + n * 300000, 5000, DMA_TO_DEVICE, 0));
	snprintf(want, sizeof(want),
		 "wide: %s (sz: 5000 bytes), total 512 (slots), used 512 (slots): hi is full, raise <hi> of swiotlb=<lo>,,<hi>",
		 buffer);
	CHECK(sim_log_has(want), "not: %s", want);
	/* Half of a segment is free, in each of two. */
	model_unmap(maps[0], 0);
	model_unmap(maps[2], 0);
	CHECK(!model_map(&wide, area + n * 300000, SEGMENT, DMA_TO_DEVICE, 0));
	CHECK(sim_log_has("used 384 (slots): hi is fragmented, raise <hi> of swiotlb=<lo>,,<hi>"));
	while ((maps[n] = model_map(&low, area + n * 300000, SEGMENT, DMA_TO_DEVICE,
				    DMA_ATTR_NO_WARN)))
		n++;
	CHECK(!model_map(&low, area + n * 300000, 5000, DMA_TO_DEVICE, 0));
	CHECK(sim_log_has("used 512 (slots): lo is full and hi is out of reach"));
	CHECK(sim_log_has("hi is out of reach, raise <lo> of swiotlb=<lo>,,<hi>"));
	CHECK_EQ(sim_log_count(buffer), 3);

	/* HI was asked for, and neither can be had. */
	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, "512,1,1M,force");
	subject_early(false, 0);
	model_begin(false);
	subject_forbid_growth(true);
	area = sim_alloc_at(0, 64 * MB, 16 * MB, PAGE_SIZE) + 4096;
	for (n = 0; n < 4; n++)
		CHECK(model_map(&low, area + n * 300000, SEGMENT, DMA_TO_DEVICE, 0));
	CHECK(!model_map(&low, area + n * 300000, 5000, DMA_TO_DEVICE, 0));
	CHECK(sim_log_has("used 512 (slots): lo is full, raise <lo> of swiotlb=<lo>,,<hi>"));
}

/* What the trace event calls pools */
TEST(map_pool_names, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t area;

	test_machine(&machine, 64 * MB, 64 * MB, 1);
	test_boot(&machine, "512,1,1M,force");
	subject_early(false, 0);
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	for (int bits = 32; bits <= 64; bits += 32) {
		phys_addr_t tlb;

		sim_device(&dev, "dev", DMA_BIT_MASK(bits));
		CHECK_NAME(&dev, area, "none");
		tlb = swiotlb_tbl_map_single(&dev, area, 4096, 0, DMA_TO_DEVICE, 0);
		CHECK_NAME(&dev, tlb, bits == 32 ? "lo" : "hi");
		swiotlb_tbl_unmap_single(&dev, tlb, 4096, DMA_TO_DEVICE, 0);
	}
	CHECK_NAME(&dev, (phys_addr_t)DMA_MAPPING_ERROR, "none");
}

TEST(map_without_pool)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t area;

	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, NULL);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	CHECK_EQ(swiotlb_tbl_map_single(&dev, area, 4096, 0, DMA_TO_DEVICE, 0),
		 (phys_addr_t)DMA_MAPPING_ERROR);
	CHECK(sim_log_has("Can not allocate SWIOTLB buffer earlier"));
	CHECK(!is_swiotlb_active(&dev));
	CHECK_EQ(default_swiotlb_base(), 0);
	/* A device without an allocator: before it is set up */
	dev.dma_io_tlb_mem = NULL;
	CHECK_EQ(swiotlb_tbl_map_single(&dev, area, 4096, 0, DMA_TO_DEVICE, 0),
		 (phys_addr_t)DMA_MAPPING_ERROR);
	CHECK(!swiotlb_find_pool(&dev, area) && !is_swiotlb_force_bounce(&dev));
}

TEST(map_encrypted)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t area;
	dma_addr_t dma;

	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, "512,1,force");
	subject_early(false, 0);
	sim_encrypted = true;
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	dma = swiotlb_map(&dev, area, 4096, DMA_TO_DEVICE, 0);
	CHECK(sim_log_has("Memory encryption is active and system is using DMA bounce buffers"));
	swiotlb_tbl_unmap_single(&dev, dma, 4096, DMA_TO_DEVICE, 0);
	test_pools(NULL, true);
}

/* A pool out of the device's reach: an error, one warning, and nothing lost */
TEST(map_out_of_reach)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t area;

	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, "512,1,force");
	subject_early(false, 0);
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	sim_device(&dev, "dev", DMA_BIT_MASK(24));
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(swiotlb_map(&dev, area, 8192, DMA_TO_DEVICE, 0), DMA_MAPPING_ERROR);
	CHECK(sim_log_has("overflow (mask ffffff, bus limit 0)"));
	CHECK(sim_warnings());
	sim_forgive_warnings();
	CHECK_EQ(subject_used(SWIOTLB_LO), 0);
	test_pools(NULL, true);
}

/* A bus limit, and a window through which the device sees memory elsewhere */
TEST(map_bus_limit_and_offset)
{
	static const struct bus_dma_region low_window[] = {
		{ .cpu_start = 0, .dma_start = 0x80000000, .size = 64 * MB }, {}
	};
	static const struct bus_dma_region both[] = {
		{ .cpu_start = 0, .dma_start = 0x80000000, .size = 64 * MB },
		{ .cpu_start = SZ_4G, .dma_start = SZ_4G + 0x100000000000, .size = 64 * MB },
		{}
	};
	struct bus_dma_region part_of_hi[] = { { .cpu_start = 0, .dma_start = 0 }, {} };
	struct sim_machine machine;
	struct device dev;
	phys_addr_t area;

	test_machine(&machine, 64 * MB, 64 * MB, 1);
	test_boot(&machine, "512,1" WITH_HI("1M") ",force");
	subject_early(false, 0);
	subject_late_files();
	model_begin(false);
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	sim_device(&dev, "dev", DMA_BIT_MASK(64));
	for (u64 limit = 64 * MB - 1; limit < SZ_4G + 80 * MB; limit = limit * 2 + 1) {
		dev.bus_dma_limit = limit;
		sizes_and_places(&dev, area);
	}
	if (SUBJECT_TYPES > 1 && BITS_PER_LONG == 64) {
		u64 last = test_pool(SWIOTLB_HI).end - 1;

		dev.bus_dma_limit = last - 1;
		CHECK(!subject_uses_hi(&dev), "one byte of HI is out of reach");
		sizes_and_places(&dev, area);
		dev.bus_dma_limit = last;
		CHECK(subject_uses_hi(&dev), "all of HI is in reach");
		sizes_and_places(&dev, area);
	}
	dev.bus_dma_limit = 0;
	dev.dma_range_map = low_window;
	sizes_and_places(&dev, area);
	dev.dma_range_map = both;
	sizes_and_places(&dev, area);
	part_of_hi[0].size = test_pool(SWIOTLB_HI).start + MB / 2;
	dev.dma_range_map = part_of_hi;
	CHECK(!subject_uses_hi(&dev));
	model_check(true);
	test_pools(NULL, true);
}

/* LO above HI, and out of reach: who uses HI is not given slots there. */
TEST(map_lo_above_hi, .needs_hi = true, .needs_64bit = true)
{
	static struct mapping *maps[64];
	static const struct {
		unsigned int bits, in_lo;
	} devices[] = { { 33, 0 }, { 36, 0 }, { 37, 8 }, { 64, 8 } };
	struct sim_machine machine;

	for (int i = 0; i < ARRAY_SIZE(devices); i++) {
		struct device dev;
		unsigned int n = 0;
		phys_addr_t area;

		test_machine(&machine, 64 * MB, 76 * GB, 1);
		test_boot(&machine, "512,1,1M,force");
		subject_early(false, SWIOTLB_ANY);
		subject_late_files();
		model_begin(false);
		CHECK(test_pool(SWIOTLB_LO).start > 64 * GB);
		area = sim_alloc_at(0, 64 * MB, 40 * MB, PAGE_SIZE) + 4096;
		sim_device(&dev, "dev", DMA_BIT_MASK(devices[i].bits));
		while ((maps[n] = model_map(&dev, area + n * 70000, 65536, DMA_TO_DEVICE, 0)))
			n++;
		CHECK_EQ(n, 16 + devices[i].in_lo);
		CHECK(sim_log_has("buffer is full"));
		while (n--)
			model_unmap(maps[n], 0);
		model_check(true);
		test_pools(NULL, true);
	}
}

/*
 * Windows that leave a part of HI out, at its begin, its end or in the middle. They have the
 * same offset, so that nothing is to be seen at the ends.
 */
TEST(map_windows, .needs_hi = true, .needs_64bit = true)
{
	struct bus_dma_region windows[3] = { { .size = 1 } };
	struct sim_machine machine;
	struct subject_pool hi;
	struct device dev;
	phys_addr_t area;

	test_machine(&machine, 64 * MB, 64 * MB, 1);
	test_boot(&machine, "512,1,4M,force");
	subject_early(false, 0);
	subject_late_files();
	model_begin(false);
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	hi = test_pool(SWIOTLB_HI);
	sim_device(&dev, "dev", DMA_BIT_MASK(64));
	dev.dma_range_map = windows;
	for (u64 from = hi.start; from <= hi.end; from += MB)
		for (u64 to = from + MB; to <= hi.end + MB; to += MB)
			for (int offset = 0; offset < 2; offset++) {
				windows[0] = (struct bus_dma_region){ 0, offset * GB, from };
				windows[1] = (struct bus_dma_region){ to, to + offset * GB, GB };
				CHECK_EQ(subject_uses_hi(&dev), from == hi.end);
				sizes_and_places(&dev, area);
			}
	model_check(true);
	test_pools(NULL, true);
}

static void map_aligned(phys_addr_t orig, size_t size, u32 align_mask, unsigned int alloc_mask)
{
	struct subject_pool pool = test_pool(SWIOTLB_LO);
	phys_addr_t tlb, start, end;
	struct device dev;

	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	dev.min_align_mask = align_mask;
	tlb = swiotlb_tbl_map_single(&dev, orig, size, alloc_mask, DMA_TO_DEVICE, 0);
	if (tlb == (phys_addr_t)DMA_MAPPING_ERROR) {
		/* The pool begins at a page: a larger alignment may cost the last segment. */
		size = ALIGN((orig & align_mask & alloc_mask) + size, alloc_mask + 1ULL);
		CHECK(size + 0x20000 > SEGMENT, "%zu bytes do not fit an empty pool", size);
		return;
	}
	CHECK(((tlb ^ orig) & align_mask) == 0);
	start = ALIGN_DOWN(tlb, alloc_mask + 1);
	end = ALIGN(tlb + size, alloc_mask + 1ULL);
	for (phys_addr_t p = start; p < end; p += SLAB)
		CHECK(!subject_slot_free(&pool, (p - pool.start) / SLAB),
		      "0x%llx, within the alignment of the buffer, is free for others", p);
	/* The device may be let to all of that. */
	CHECK(!memchr(phys_to_virt(start), SIM_SECRET, end - start),
	      "memory that is nobody's buffer, within its alignment");
	swiotlb_tbl_unmap_single(&dev, tlb, size, DMA_TO_DEVICE, 0);
}

static phys_addr_t boot_dirty(void)
{
	struct sim_machine machine;

	test_machine(&machine, 64 * MB, 0, 1);
	machine.dirty = true;
	test_boot(&machine, "512,1,force");
	subject_early(false, 0);
	return sim_alloc_at(0, 64 * MB, 2 * SEGMENT, SEGMENT);
}

/* What dma-iommu asks for: an alignment of start and end of the allocation */
TEST(map_alloc_align_mask)
{
	static const unsigned int masks[] = { 0xfff, 0x3fff, 0xffff };
	phys_addr_t area;

	for (int a = 0; a < ARRAY_SIZE(align_masks); a++)
		for (int m = 0; m < ARRAY_SIZE(masks); m++) {
			area = boot_dirty();
			for (unsigned int offset = 0; offset < 0x10000; offset += 0x2ab)
				for (size_t size = 1; size < 100000; size = size * 3 + 11)
					map_aligned(area + offset, size, align_masks[a], masks[m]);
		}
	/* Up to as much padding as a segment has */
	for (unsigned int mask = 0x1ffff; mask <= 0x3ffff; mask = mask * 2 + 1) {
		area = boot_dirty();
		for (unsigned int offset = 0; offset <= mask; offset += 0x3ab)
			for (size_t size = 1; size < 100000; size = size * 30 + 11)
				map_aligned(area + offset, size, mask, mask);
	}
	sim_forgive_warnings(); /* it warns of what is larger than a page */
	test_pools(NULL, true);
}

/* A byte in every slot that a device can get: the model looks at the rest of each. */
static void map_everywhere(u64 mask)
{
	phys_addr_t area = sim_alloc_at(0, 64 * MB, 2 * PAGE_SIZE, PAGE_SIZE) + 1024;
	struct device dev;

	sim_device(&dev, "dev", mask);
	for (int cpu = 0; cpu < 2; cpu++) {
		sim_use_cpu(cpu);
		for (int i = 0; i < 2048; i++)
			model_unmap(model_map(&dev, area, 1, DMA_FROM_DEVICE, 0), 0);
	}
}

static void fresh_pools(bool late, unsigned int bits, u32 align_mask)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t area;

	test_machine(&machine, 64 * MB, 64 * MB, 2);
	machine.dirty = true;
	test_boot(&machine, "1024,2" WITH_HI("2M") ",force");
	if (late)
		CHECK(!subject_late(2 * MB, GFP_KERNEL));
	else
		subject_early(false, 0);
	model_begin(false);
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	sim_device(&dev, "dev", DMA_BIT_MASK(bits));
	dev.min_align_mask = align_mask;
	for (int cpu = 0; cpu < 2; cpu++) {
		sim_use_cpu(cpu);
		sizes_and_places(&dev, area);
	}
	map_everywhere(DMA_BIT_MASK(bits));
	for (int i = 0; i < 2; i++)
		sizes_and_places(&dev, area);
}

/* What was in memory before a pool was there, no device sees, not even beside a buffer. */
TEST(map_shows_no_old_memory)
{
	for (int a = 0; a < ARRAY_SIZE(align_masks); a++) {
		fresh_pools(true, 64, align_masks[a]);
		fresh_pools(false, 32, align_masks[a]);
		fresh_pools(false, 64, align_masks[a]);
	}
}

/* A mapping of which one of five parts is synced: the whole, or from there on */
static void map_and_sync(struct device *dev, phys_addr_t orig, size_t size, int dir,
			 unsigned long attrs, int part)
{
	size_t from = size * part / 5, len = size - from - (part == 2 ? from / 3 : 0);
	struct mapping *map;

	map = model_map(dev, orig, size, dir, 0);
	CHECK(map);
	model_device_writes(map, 0, size, part);
	model_sync_for_cpu(map, from, len);
	model_cpu_writes(map, from, len, part + 1);
	model_sync_for_device(map, from, len);
	model_device_writes(map, from, len, part + 2);
	model_unmap(map, attrs);
}

/* All sizes, places and parts */
static void contents(unsigned int bits, u32 align_mask, int dir, unsigned long attrs,
		     phys_addr_t area)
{
	static const size_t sizes[] = { 1, 3, 512, 2048, 4096, 5000, 66000 };
	struct device dev;

	for (int s = 0; s < ARRAY_SIZE(sizes); s++)
		for (unsigned int offset = 0; offset < 4096; offset += 1365)
			for (int part = 0; part < 5; part++) {
				sim_device(&dev, "dev", DMA_BIT_MASK(bits));
				dev.min_align_mask = align_mask;
				dev.noncoherent = part & 1;
				map_and_sync(&dev, area + offset, sizes[s], dir, attrs, part);
			}
}

/* Directions, partial syncs and attributes: every combination, for all sizes */
TEST(map_contents)
{
	struct sim_machine machine;
	phys_addr_t area;

	test_machine(&machine, 64 * MB, 64 * MB, 1);
	test_boot(&machine, "512,1" WITH_HI("1M") ",force");
	subject_early(false, 0);
	subject_late_files();
	model_begin(false);
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE) + 8192;
	for (int bits = 32; bits <= 64; bits += 32)
		for (int a = 0; a < ARRAY_SIZE(align_masks); a++)
			for (int dir = DMA_BIDIRECTIONAL; dir <= DMA_FROM_DEVICE; dir++) {
				contents(bits, align_masks[a], dir, 0, area);
				contents(bits, align_masks[a], dir, DMA_ATTR_SKIP_CPU_SYNC, area);
			}
	model_check(true);
	test_pools(NULL, true);
}

/* A sync of more than there is copies no more than there is. */
TEST(sync_beyond_the_buffer)
{
	struct sim_machine machine;
	struct device dev;
	struct mapping *map;

	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, "512,1,force");
	subject_early(false, 0);
	model_begin(false);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	map = model_map(&dev, sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE) + 4096, 3000, DMA_FROM_DEVICE,
			0);
	model_device_writes(map, 0, 3000, 1);
	swiotlb_sync_single_for_cpu(&dev, map->tlb, 8000, DMA_FROM_DEVICE);
	memcpy(map->cpu, map->device, 3000);
	model_check_contents(map);
	CHECK(sim_log_has("Buffer overflow detected. Allocation size: 3000. Mapping size: 8000."));
	CHECK(sim_warnings());
	sim_forgive_warnings();
	model_unmap(map, 0);
	/* An address that is no mapping's: nothing happens. */
	swiotlb_sync_single_for_cpu(&dev, test_pool(SWIOTLB_LO).start + 4096, 512, DMA_FROM_DEVICE);
	test_pools(NULL, true);
}

/* What was unmapped is not touched again, by a sync or by unmapping it once more. */
TEST(sync_after_unmap)
{
	struct sim_machine machine;
	struct mapping *maps[100];
	struct device dev;
	phys_addr_t area, tlb;
	u8 old[512], new[512];

	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, "512,1,force");
	subject_early(false, 0);
	model_begin(false);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE) + 4096;
	for (int i = 0; i < ARRAY_SIZE(maps); i++)
		CHECK((maps[i] = model_map(&dev, area + i * 4096, 512, DMA_FROM_DEVICE, 0)));
	/* In both halves of a segment */
	for (int i = 0; i < ARRAY_SIZE(maps); i++) {
		tlb = maps[i]->tlb;
		model_unmap(maps[i], 0);
		memset(new, 0x5a, sizeof(new));
		sim_copy_to_phys(tlb, new, sizeof(new));
		sim_copy_from_phys(old, area + i * 4096, sizeof(old));
		swiotlb_sync_single_for_cpu(&dev, tlb, 512, DMA_FROM_DEVICE);
		swiotlb_tbl_unmap_single(&dev, tlb, 512, DMA_FROM_DEVICE, 0);
		sim_copy_from_phys(new, area + i * 4096, sizeof(new));
		CHECK(!memcmp(old, new, sizeof(new)), "slot %d: what was unmapped was copied", i);
		swiotlb_sync_single_for_device(&dev, tlb, 512, DMA_TO_DEVICE);
		sim_copy_from_phys(new, tlb, sizeof(new));
		CHECK(memchr(new, 0x5a, 1), "slot %d: copied to a slot that is free", i);
		model_check(i % 16 == 0);
	}
	test_pools(NULL, true);
}

/* There is no buffer behind the slots before it that are only there for its alignment. */
TEST(sync_of_padding)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t area, tlb;
	u8 old[0x10000], new[0x10000];

	test_machine(&machine, 64 * MB, 0, 1);
	machine.dirty = true;
	test_boot(&machine, "512,1,force");
	subject_early(false, 0);
	area = sim_alloc_at(0, 64 * MB, MB, MB);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	dev.min_align_mask = 0xffff;
	memset(old, 0x5a, sizeof(old));
	for (int i = 0; i < 16; i++) {
		/* Every slot is another mapping's, and padding after that. */
		tlb = swiotlb_tbl_map_single(&dev, area, 0x10000, 0, DMA_FROM_DEVICE, 0);
		swiotlb_tbl_unmap_single(&dev, tlb, 0x10000, DMA_FROM_DEVICE, 0);
	}
	for (int i = 0; i < 8; i++) {
		sim_copy_to_phys(area, old, sizeof(old));
		tlb = swiotlb_tbl_map_single(&dev, area + 5 * SLAB, 512, 0xffff, DMA_FROM_DEVICE,
					     0);
		CHECK_EQ(tlb & 0xffff, 5 * SLAB);
		for (phys_addr_t p = tlb - 5 * SLAB; p < tlb; p += SLAB) {
			memset(new, 0xa5, SLAB);
			sim_copy_to_phys(p, new, SLAB);
			swiotlb_sync_single_for_cpu(&dev, p, 512, DMA_FROM_DEVICE);
			swiotlb_sync_single_for_device(&dev, p, 512, DMA_TO_DEVICE);
			sim_copy_from_phys(new + SLAB, p, SLAB);
			CHECK(!memcmp(new, new + SLAB, SLAB), "a buffer was copied to padding");
		}
		sim_copy_from_phys(new, area, sizeof(new));
		CHECK(!memcmp(old, new, sizeof(new)), "padding was copied to a buffer");
		swiotlb_tbl_unmap_single(&dev, tlb, 512, DMA_FROM_DEVICE, 0);
	}
	sim_forgive_warnings(); /* of an alignment larger than a page */
	test_pools(NULL, true);
}

/* Buffers that the kernel has no address for */
TEST(map_highmem, .base_fails = true)
{
	struct sim_machine machine;
	struct device dev;

	test_machine(&machine, 64 * MB, 0, 1);
	machine.ram[1] = (struct range){ 512 * MB, 528 * MB };
	machine.highmem = 512 * MB;
	test_boot(&machine, "512,1,force");
	subject_early(false, 0);
	model_begin(false);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	for (int dir = DMA_BIDIRECTIONAL; dir <= DMA_FROM_DEVICE; dir++)
		for (size_t size = 1; size < 200000; size = size * 2 + 77)
			for (unsigned int offset = 100; offset < 9000; offset += 1000) {
				struct mapping *map =
					model_map(&dev, 513 * MB + offset, size, dir, 0);

				CHECK(map);
				model_device_writes(map, 0, size, 1);
				model_sync_for_cpu(map, size / 3, size / 2);
				model_cpu_writes(map, size / 4, size / 2, 2);
				model_sync_for_device(map, size / 3, size / 2);
				model_unmap(map, 0);
			}
	model_check(true);
}

/* KMSAN is told of what a device may have written when it is copied, and of nothing else. */
TEST(map_tells_kmsan)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t from[2];
	const size_t size = 20000;

	test_machine(&machine, 64 * MB, 0, 1);
	machine.ram[1] = (struct range){ 512 * MB, 528 * MB };
	machine.highmem = 512 * MB;
	test_boot(&machine, "512,1,force");
	subject_early(false, 0);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	from[0] = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE) + 100;
	from[1] = 513 * MB + 100;
	for (int high = 0; high < 2; high++)
		for (int dir = DMA_BIDIRECTIONAL; dir <= DMA_FROM_DEVICE; dir++) {
			dma_addr_t dma;

			sim_unpoisoned_bytes = 0;
			dma = swiotlb_map(&dev, from[high], size, dir, 0);
			CHECK(dma != DMA_MAPPING_ERROR);
			swiotlb_sync_single_for_device(&dev, dma, size, dir);
			CHECK_EQ(sim_unpoisoned_bytes, 0);
			swiotlb_sync_single_for_cpu(&dev, dma + 100, 9000, dir);
			CHECK_EQ(sim_unpoisoned_bytes, dir == DMA_TO_DEVICE ? 0 : 9000);
			swiotlb_tbl_unmap_single(&dev, dma, size, dir, 0);
			CHECK_EQ(sim_unpoisoned_bytes, dir == DMA_TO_DEVICE ? 0 : 9000 + size);
		}
}

TEST(map_max_mapping_size)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t area;

	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, "512,1,force");
	subject_early(false, 0);
	model_begin(false);
	area = sim_alloc_at(0, 64 * MB, MB, 0x10000) + 0x10000;
	for (int a = 0; a < 4; a++) {
		sim_device(&dev, "dev", DMA_BIT_MASK(32));
		dev.min_align_mask = align_masks[a];
		for (unsigned int offset = 0; offset < 8192; offset += 97) {
			struct mapping *map;

			map = model_map(&dev, area + offset, swiotlb_max_mapping_size(&dev),
					DMA_TO_DEVICE, 0);
			CHECK(map, "alignment 0x%x, offset %u: the largest mapping does not fit",
			      align_masks[a], offset);
			model_unmap(map, 0);
		}
	}
}

/* A buffer that the device reaches is not bounced, unless by force. */
TEST(map_without_force, .needs_64bit = true)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t low, high;

	test_machine(&machine, 64 * MB, 64 * MB, 1);
	test_boot(&machine, "512,1" WITH_HI("1M"));
	subject_early(false, 0);
	model_begin(false);
	low = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	high = sim_alloc_at(SZ_4G, SZ_4G + 64 * MB, MB, PAGE_SIZE);
	for (int bits = 28; bits <= 64; bits += test_stride()) {
		sim_device(&dev, "dev", DMA_BIT_MASK(bits));
		sizes_and_places(&dev, low);
		sizes_and_places(&dev, high);
	}
	sim_kmalloc_bounces = true;
	sizes_and_places(&dev, low);
	model_check(true);
}

/* Without HI, its range is not looked at, and what is looked at is in one cache line. */
TEST(map_without_hi)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t area;

	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, "512,1,force");
	subject_early(false, 0);
	subject_spoil_hi();
	CHECK_EQ(subject_look_up_bytes(), SMP_CACHE_BYTES);
	model_begin(false);
	sim_device(&dev, "dev", DMA_BIT_MASK(64));
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	sizes_and_places(&dev, area);
	CHECK(!swiotlb_find_pool(&dev, area));
	CHECK(swiotlb_find_pool(&dev, test_pool(SWIOTLB_LO).start));
	model_check(true);
}

/*
 * A slot of padding is in front, and was never used; the one behind it was, so that its
 * descriptor says that nothing has to be cleared.
 */
TEST(map_padding_that_nobody_had, .needs_hi = true)
{
	struct sim_machine machine;
	phys_addr_t orig, tlb;
	struct device dev;
	u8 page[4096];

	test_machine(&machine, 64 * MB, 0, 1);
	machine.dirty = true;
	test_boot(&machine, "512,1");
	subject_early(false, 0);
	subject_forbid_growth(true);
	orig = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	dev.min_align_mask = 0xfff;
	memset(page, 1, sizeof(page));
	sim_copy_to_phys(orig, page, sizeof(page));
	/* Each odd slot twice: the second time nothing in it is fresh. */
	for (int i = 0; i < 512; i++) {
		tlb = swiotlb_tbl_map_single(&dev, orig + 2048, 2048, 0, DMA_TO_DEVICE, 0);
		CHECK_EQ(tlb & 0xfff, 2048);
		swiotlb_tbl_unmap_single(&dev, tlb, 2048, DMA_TO_DEVICE, 0);
	}
	tlb = swiotlb_tbl_map_single(&dev, orig + 2048, 1000, 0xfff, DMA_TO_DEVICE, 0);
	CHECK_EQ(tlb & 0xfff, 2048);
	sim_copy_from_phys(page, tlb - 2048, sizeof(page));
	CHECK(!memchr(page, SIM_SECRET, sizeof(page)), "old memory is in the padding");
}
