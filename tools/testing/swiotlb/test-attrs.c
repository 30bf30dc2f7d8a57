// SPDX-License-Identifier: GPL-2.0
/* What attributes, directions and devices change; how often things are said; the trace */
#include "model.h"

static struct device dev;
static phys_addr_t area;

/* Both pools, on the bare machine or as a Xen domain, and a device */
static void boot(bool xen, const char *force, unsigned int bits)
{
	/* Its own pages are told from others' by their machine address, as on arm64. */
	struct hyp_machine hyp = { .layout = dev.noncoherent ? HYP_IDENTITY : HYP_SCATTERED,
				   .low_heap = 32 * MB,
				   .high_heap = 32 * MB };
	struct sim_machine machine;
	char param[64];

	snprintf(param, sizeof(param), "512,1%s%s", BITS_PER_LONG == 64 ? WITH_HI("1M") : "",
		 force);
	test_machine(&machine, 64 * MB, 64 * MB, 2);
	if (xen)
		test_boot_xen(BITS_PER_LONG == 64 ? 5 * GB : 64 * MB, &hyp, param);
	else
		test_boot(&machine, param);
	subject_early(xen, 0);
	subject_late_files();
	model_begin(xen);
	area = sim_alloc_at(0, 64 * MB, 4 * MB, PAGE_SIZE) + 4096;
	CHECK(area > 4096);
	sim_device(&dev, "dev", DMA_BIT_MASK(bits));
}

/* The caches were told of this, and of nothing else, since there were @before. */
static void check_caches(unsigned int before, bool told, bool for_device, phys_addr_t phys,
			 size_t size, int dir)
{
	const struct sim_cache_sync *sync = &sim_cache_sync;

	CHECK_EQ(sync->count, before + told);
	if (told)
		CHECK(sync->for_device == for_device && sync->phys == phys &&
		      sync->size == size && sync->dir == dir,
		      "for %s, 0x%llx and not 0x%llx, %zu bytes, direction %d",
		      sync->for_device ? "device" : "CPU", sync->phys, phys, sync->size, sync->dir);
}

/* One mapping, with these attributes when it is made and when it goes */
static void map_with_caches(int dir, unsigned long attrs)
{
	bool told = dev.noncoherent && !(attrs & DMA_ATTR_SKIP_CPU_SYNC);
	unsigned int before = sim_cache_sync.count;
	struct mapping *map;
	phys_addr_t tlb;
	u8 byte = 0x40 + dir;

	sim_copy_to_phys(area, &byte, 1);
	map = model_map(&dev, area, 5000, dir, attrs);
	CHECK(map && map->pool >= 0);
	tlb = map->tlb;
	check_caches(before, told, true, tlb, 5000, dir);
	/* What the device is to see was there by then. */
	CHECK(!told || sim_cache_sync.first == byte);

	before = sim_cache_sync.count;
	model_cpu_writes(map, 100, 1000, dir);
	model_sync_for_device(map, 100, 1000);
	check_caches(before, dev.noncoherent, true, tlb + 100, 1000, dir);
	if (dev.noncoherent && dir != DMA_FROM_DEVICE)
		CHECK_EQ(sim_cache_sync.first, map->cpu[100]);

	before = sim_cache_sync.count;
	model_device_writes(map, 200, 1000, dir);
	model_sync_for_cpu(map, 200, 1000);
	check_caches(before, dev.noncoherent, false, tlb + 200, 1000, dir);

	before = sim_cache_sync.count;
	model_device_writes(map, 0, 5000, dir + 1);
	model_unmap(map, attrs);
	check_caches(before, told, false, tlb, 5000, dir);
}

static void caches(bool xen, unsigned int bits)
{
	for (int noncoherent = 0; noncoherent < 2; noncoherent++) {
		dev.noncoherent = noncoherent;
		boot(xen, ",force", bits);
		dev.noncoherent = noncoherent;
		for (int dir = DMA_BIDIRECTIONAL; dir <= DMA_FROM_DEVICE; dir++) {
			map_with_caches(dir, 0);
			map_with_caches(dir, DMA_ATTR_SKIP_CPU_SYNC);
			map_with_caches(dir, DMA_ATTR_NO_WARN);
		}
		model_check(true);
	}
}

/* Devices that do not see the caches of CPUs: it is the bounce buffer that counts. */
TEST(attrs_caches)
{
	caches(false, 32);
	caches(false, 64);
}

TEST(attrs_caches_xen)
{
	caches(true, 32);
	caches(true, 64);
}

/* What a driver can cause at will is said now and then only. */
TEST(attrs_messages_are_limited)
{
	static const char limited[] = "warn, limited: dev: ";
	struct sim_machine machine;

	boot(false, ",force", 32);
	subject_forbid_growth(true);
	dev.min_align_mask = 0xfff;
	CHECK(!model_map(&dev, area, SEGMENT + 1, DMA_TO_DEVICE, 0));
	CHECK(sim_log_has(limited) && sim_log_count("warn") == 1);
#ifdef SUBJECT_HAS_HI
	/* What the device could have, which its alignment makes less */
	CHECK(sim_log_has("of 258048 bytes"));
#endif
	sim_log_clear();
	while (model_map(&dev, area, SEGMENT / 2, DMA_TO_DEVICE, 0))
		area += 2 * SEGMENT / 3;
	CHECK(sim_log_has(limited) && sim_log_count("warn") == 1);

	boot(false, ",force", 32);
	sim_encrypted = true;
	CHECK(model_map(&dev, area, 512, DMA_TO_DEVICE, 0));
	CHECK(sim_log_has("warn, once: ") && sim_log_count("warn") == 1);

	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, NULL);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	CHECK_EQ(swiotlb_map(&dev, area, 512, DMA_TO_DEVICE, 0), DMA_MAPPING_ERROR);
	CHECK(sim_log_has(limited) && sim_log_count("warn") == 1);
}

/* Pools are aligned to a page: who wants more is told that it may not be had. */
TEST(attrs_alignment_of_more_than_a_page)
{
	for (int more = 0; more < 2; more++) {
		unsigned int mask = more ? 0x1fff : 0xfff;
		phys_addr_t tlb;

		boot(false, ",force", 32);
		tlb = swiotlb_tbl_map_single(&dev, area, 4096, mask, DMA_TO_DEVICE, 0);
		CHECK(tlb != (phys_addr_t)DMA_MAPPING_ERROR);
		CHECK_EQ(sim_warnings(), more);
		swiotlb_tbl_unmap_single(&dev, tlb, 4096, DMA_TO_DEVICE, 0);
	}
}

/* The largest mapping is a whole number of slots, and less by what alignment may cost. */
TEST(attrs_max_mapping_size)
{
	static const unsigned int masks[] = { 0, 0x1ff, 0x7ff, 0xfff, 0x1000, 0xffff };
	static const unsigned int costs[] = { 0, 0x800, 0x800, 0x1000, 0x1000, 0x10000 };

	boot(false, "", 32);
	for (int i = 0; i < ARRAY_SIZE(masks); i++) {
		dev.min_align_mask = masks[i];
		CHECK_EQ(swiotlb_max_mapping_size(&dev), SEGMENT - costs[i]);
	}
}

/* A line of the trace; without two types of pools it names none. */
static void check_trace(u64 mask, dma_addr_t addr, size_t size, bool force, const char *pool)
{
	char want[256];

	snprintf(want, sizeof(want), "dev_name: dev dma_mask=%llx dev_addr=%llx size=%zu %s%s%s",
		 mask, addr, size, force ? "FORCE" : "NORMAL", SUBJECT_TYPES > 1 ? " pool=" : "",
		 SUBJECT_TYPES > 1 ? pool : "");
	CHECK(!strcmp(sim_last_trace(), want), "trace: '%s' and not '%s'", sim_last_trace(), want);
}

static void trace(bool xen, bool force, unsigned int bits, const char *pool)
{
	struct mapping *map;
	dma_addr_t addr;

	boot(xen, force ? ",force" : "", bits);
	sim_tracing = true;
	sim_kmalloc_bounces = true; /* or without force it would not be bounced */
	addr = xen ? PFN_PHYS(hyp_mfn(PFN_DOWN(area))) + 8 : area + 8;
	map = model_map(&dev, area + 8, 3000, DMA_TO_DEVICE, 0);
	CHECK(map && map->pool >= 0);
	check_trace(DMA_BIT_MASK(bits), addr, 3000, force, pool);
	model_unmap(map, 0);
	CHECK(!model_map(&dev, area + 8, SEGMENT + 1, DMA_TO_DEVICE, DMA_ATTR_NO_WARN));
	check_trace(DMA_BIT_MASK(bits), addr, SEGMENT + 1, force, "none");
}

/* Which device, what it asked for, and which pool it got */
TEST(trace_of_a_mapping)
{
	for (int force = 0; force < 2; force++) {
		trace(false, force, 32, "lo");
		trace(false, force, 64, BITS_PER_LONG == 64 ? "hi" : "lo");
	}
}

TEST(trace_of_a_mapping_xen)
{
	for (int force = 0; force < 2; force++) {
		trace(true, force, 32, "lo");
		trace(true, force, 64, BITS_PER_LONG == 64 ? "hi" : "lo");
	}
}

/* Coherent memory holds nothing of whoever had it before. */
TEST(attrs_coherent_memory_is_cleared)
{
	struct hyp_machine hyp = { .layout = HYP_IDENTITY, .low_heap = 16 * MB };
	struct sim_machine machine = { .cpus = 1, .dirty = true, .ram = { { 0, 32 * MB } } };
	dma_addr_t dma;
	void *virt;

	test_boot(&machine, "512,1");
	hyp_boot(&machine, &hyp);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	for (size_t size = 1; size < 100000; size = size * 3 + 100) {
		virt = subject_xen_ops->alloc(&dev, size, &dma, GFP_KERNEL, 0);
		CHECK(virt && !memchr(virt, SIM_SECRET, size), "%zu bytes", size);
		subject_xen_ops->free(&dev, size, virt, dma, 0);
	}
}
