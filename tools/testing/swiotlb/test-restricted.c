// SPDX-License-Identifier: GPL-2.0
/* Restricted DMA pools: one type, one area, and they also hand out pages. */
#include "model.h"

static struct reserved_mem rmem;
static struct device dev;

static void boot(u64 size)
{
	struct sim_machine machine;

	test_machine(&machine, 64 * MB + size, 64 * MB, 2);
	test_boot(&machine, "512,1" WITH_HI("1M"));
	subject_early(false, 0);
	subject_late_files();
	rmem = (struct reserved_mem){ .name = "restricted", .size = size };
	rmem.base = sim_alloc_at(0, 64 * MB + size, size, SEGMENT);
	CHECK_EQ(subject_rmem_setup(&rmem), 0);
	sim_device(&dev, "dev", DMA_BIT_MASK(64));
}

TEST(restricted_properties)
{
	static const char *const wrong[] = {
		"reusable",
		"linux,cma-default",
		"linux,dma-default",
		"no-map",
	};

	boot(2 * MB);
	CHECK(sim_log_has("created restricted DMA pool at 0x"));
	CHECK(sim_log_has("size 2 MiB"));
	for (int i = 0; i < ARRAY_SIZE(wrong); i++) {
		sim_rmem_property = wrong[i];
		CHECK_EQ(subject_rmem_setup(&rmem), -EINVAL);
	}
}

static void fail_init(enum sim_fault what)
{
	for (unsigned int nth = 1;; nth++) {
		u64 before, slab;
		int err;

		boot(2 * MB);
		before = sim_allocated();
		slab = sim_slab_allocated();
		sim_fail(what, nth, 1);
		err = rmem.ops->device_init(&rmem, &dev);
		if (sim_calls(what) < nth)
			break;
		CHECK_EQ(err, -ENOMEM);
		CHECK(!rmem.priv);
		CHECK_EQ(sim_allocated(), before);
		CHECK_EQ(sim_slab_allocated(), slab);
		CHECK(!dev.dma_io_tlb_mem->for_alloc, "the device got a pool that is not");
	}
}

TEST(restricted_init_fails)
{
	fail_init(SIM_FAIL_SLAB);
	fail_init(SIM_FAIL_PAGES);
}

TEST(restricted_in_high_memory)
{
	struct sim_machine machine;

	test_machine(&machine, 64 * MB, 0, 2);
	machine.ram[1] = (struct range){ 512 * MB, 528 * MB };
	machine.highmem = 512 * MB;
	test_boot(&machine, NULL);
	rmem = (struct reserved_mem){ .name = "restricted", .size = MB, .base = 514 * MB };
	CHECK_EQ(subject_rmem_setup(&rmem), 0);
	sim_device(&dev, "dev", DMA_BIT_MASK(64));
	CHECK_EQ(rmem.ops->device_init(&rmem, &dev), -EINVAL);
}

/* All of its mappings are there, never in the default pools, whatever they are. */
TEST(restricted_map)
{
	struct device other;
	phys_addr_t area;
	u64 val;

	boot(2 * MB);
	CHECK_EQ(rmem.ops->device_init(&rmem, &dev), 0);
	CHECK_EQ(sim_decrypted_bytes, 2 * MB);
	CHECK(is_swiotlb_for_alloc(&dev) && is_swiotlb_force_bounce(&dev) &&
	      is_swiotlb_active(&dev));
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE) + 4096;
	for (size_t size = 1; size <= SEGMENT; size = size * 2 + 3) {
		dma_addr_t dma = swiotlb_map(&dev, area, size, DMA_TO_DEVICE, 0);

		CHECK(dma >= rmem.base && dma + size <= rmem.base + rmem.size, "0x%llx", dma);
		CHECK_EQ(swiotlb_find_pool(&dev, dma)->start, rmem.base);
		if (SUBJECT_TYPES > 1)
			CHECK_NAME(&dev, dma, "restricted");
		CHECK_EQ(subject_used(SWIOTLB_LO), 0);
		swiotlb_tbl_unmap_single(&dev, dma, size, DMA_TO_DEVICE, 0);
	}
	/* Its own files; those of types are the default pools' only. */
	if (IS_ENABLED(CONFIG_DEBUG_FS)) {
		CHECK(!sim_file_get("/swiotlb/restricted/io_tlb_nslabs", &val) && val == 1024);
		CHECK(!sim_file_get("/swiotlb/restricted/io_tlb_used", &val) && val == 0);
		CHECK(!sim_file_get("/swiotlb/restricted/io_tlb_used_hiwater", &val) && val == 128);
	}
	CHECK_EQ(sim_file_get("/swiotlb/restricted/lo/used", &val), -ENOENT);

	/* A second device shares it. */
	sim_device(&other, "other", DMA_BIT_MASK(32));
	CHECK_EQ(rmem.ops->device_init(&rmem, &other), 0);
	CHECK(other.dma_io_tlb_mem == dev.dma_io_tlb_mem);
	CHECK_EQ(sim_decrypted_bytes, 2 * MB);
	test_pools(&dev, true);
	rmem.ops->device_release(&rmem, &dev);
	CHECK(!is_swiotlb_for_alloc(&dev));
}

TEST(restricted_alloc)
{
	struct page *pages[64];
	int n = 0;

	boot(2 * MB);
	CHECK(!rmem.ops->device_init(&rmem, &dev));
	for (size_t size = 1; size <= SEGMENT; size += 5000) {
		struct page *page = swiotlb_alloc(&dev, size);
		phys_addr_t phys;

		CHECK(page);
		phys = page_to_phys(page);
		CHECK(IS_ALIGNED(phys, PAGE_SIZE << get_order(size)), "%zu bytes at 0x%llx", size,
		      phys);
		CHECK(phys >= rmem.base && phys + size <= rmem.base + rmem.size);
		CHECK(swiotlb_free(&dev, page, size));
		/* Once more, and nothing happens. */
		CHECK(swiotlb_free(&dev, page, size));
	}
	test_pools(&dev, true);
	/* More than a segment, and more than the pool */
	for (size_t size = SEGMENT + 1; size <= 4 * MB; size += 5000)
		CHECK(!swiotlb_alloc(&dev, size), "%zu bytes", size);
	while ((pages[n] = swiotlb_alloc(&dev, 65536)))
		n++;
	CHECK_EQ(n, 2 * MB / 65536);
	while (n--)
		CHECK(swiotlb_free(&dev, pages[n], 65536));
	test_pools(&dev, true);
	/* A page that is not from there */
	CHECK(!swiotlb_free(&dev, pfn_to_page(3), 4096));
	dev.dma_io_tlb_mem = NULL;
	CHECK(!swiotlb_alloc(&dev, 4096));
}

/* A pool that begins within a page hands out whole pages all the same. */
TEST(restricted_not_page_aligned)
{
	struct page *page;

	boot(2 * MB);
	rmem.base += 2048;
	rmem.size -= MB;
	CHECK(!rmem.ops->device_init(&rmem, &dev));
	page = swiotlb_alloc(&dev, 4096);
	CHECK(page && page_to_phys(page) >= rmem.base);
	CHECK(swiotlb_free(&dev, page, 4096));
	test_pools(&dev, true);
}

static phys_addr_t area;

static phys_addr_t map_slots(unsigned int slots)
{
	return swiotlb_tbl_map_single(&dev, area, slots * SLAB, 0, DMA_FROM_DEVICE,
				      DMA_ATTR_NO_WARN);
}

static void unmap_slots(phys_addr_t tlb, unsigned int slots)
{
	swiotlb_tbl_unmap_single(&dev, tlb, slots * SLAB, DMA_FROM_DEVICE, 0);
}

/* All of the pool is in use but for one segment: it is found, and as much of it as is free. */
static void only_segment(phys_addr_t start, unsigned int used)
{
	phys_addr_t tlb;

	CHECK(swiotlb_free(&dev, pfn_to_page(PFN_DOWN(start)), SEGMENT));
	tlb = map_slots(used);
	CHECK_EQ(ALIGN_DOWN(tlb, SEGMENT), start);
	if (tlb == start) {
		CHECK_EQ(map_slots(IO_TLB_SEGSIZE - used + 1), (phys_addr_t)DMA_MAPPING_ERROR);
		CHECK_EQ(map_slots(IO_TLB_SEGSIZE - used), start + used * SLAB);
		unmap_slots(start + used * SLAB, IO_TLB_SEGSIZE - used);
	}
	unmap_slots(tlb, used);
	CHECK_EQ(page_to_phys(swiotlb_alloc(&dev, SEGMENT)), start);
}

/* Any number of segments, the last of which may be cut short */
static void all_segments(unsigned int segments, unsigned int more)
{
	unsigned int step = segments > 100 ? 5 * test_stride() : 1;

	boot(segments * SEGMENT + more * SLAB);
	CHECK(!rmem.ops->device_init(&rmem, &dev));
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	dev.min_align_mask = IO_TLB_SIZE - 1;
	for (unsigned int i = 0; i < segments; i++)
		CHECK(swiotlb_alloc(&dev, SEGMENT));
	CHECK(!swiotlb_alloc(&dev, SEGMENT));
	for (unsigned int i = 0; i < more; i++)
		CHECK_EQ(map_slots(1), rmem.base + segments * SEGMENT + i * SLAB);
	CHECK_EQ(map_slots(1), (phys_addr_t)DMA_MAPPING_ERROR);
	test_pools(&dev, false);
	for (unsigned int s = 0; s < segments; s += s + 9 < segments ? step : 1) {
		only_segment(rmem.base + s * SEGMENT, s % (IO_TLB_SEGSIZE - 1) + 1);
		if (segments < 100)
			test_pools(&dev, false);
	}
	for (unsigned int i = 0; i < more; i++)
		unmap_slots(rmem.base + segments * SEGMENT + i * SLAB, 1);
	if (more) {
		CHECK_EQ(map_slots(more + 1), (phys_addr_t)DMA_MAPPING_ERROR);
		CHECK_EQ(map_slots(more), rmem.base + segments * SEGMENT);
	}
	test_pools(&dev, false);
}

TEST(restricted_sizes)
{
	static const unsigned int segments[] = { 1, 2, 7, 8, 9, 16, 63, 64, 65, 72, 513 };

	for (int i = 0; i < ARRAY_SIZE(segments); i++) {
		all_segments(segments[i], 0);
		all_segments(segments[i], 1);
		all_segments(segments[i], 38);
		all_segments(segments[i], 101);
	}
}

/* A pool of the others is not a device's that has its own. */
TEST(restricted_is_alone, .needs_dynamic = true)
{
	phys_addr_t last = 0;
	struct device other;

	boot(2 * MB);
	CHECK(!rmem.ops->device_init(&rmem, &dev));
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	CHECK_EQ(ALIGN_DOWN(map_slots(3), SEGMENT), rmem.base);
	sim_device(&other, "other", DMA_BIT_MASK(32));
	for (int i = 0; i < 5; i++)
		last = swiotlb_tbl_map_single(&other, area, SEGMENT, 0, DMA_FROM_DEVICE, 0);
	CHECK(last != (phys_addr_t)DMA_MAPPING_ERROR);
	CHECK(swiotlb_find_pool(&other, last) && swiotlb_find_pool(&other, last)->nslabs == 128);
	CHECK(!swiotlb_find_pool(&dev, last));
	CHECK(!swiotlb_find_pool(&other, rmem.base));
	swiotlb_tbl_unmap_single(&other, last, SEGMENT, DMA_FROM_DEVICE, 0);
}

/* Pages have no buffer behind them, whoever had their slots before. */
TEST(restricted_pages_have_no_buffer)
{
	struct page *pages[SEGMENT / 4096 + 1];
	struct subject_pool pool;
	u8 bytes[4096], now[4096];
	unsigned int n = 0;
	phys_addr_t tlb;

	boot(SEGMENT);
	CHECK(!rmem.ops->device_init(&rmem, &dev));
	area = sim_alloc_at(0, 64 * MB, MB, MB);
	/* Each slot is a mapping's, or one before it for its alignment. */
	dev.min_align_mask = 0x3fff;
	for (int i = 0; i < SEGMENT / 0x4000; i++) {
		tlb = swiotlb_tbl_map_single(&dev, area + 0x3000, 4096, 0x3fff, DMA_FROM_DEVICE, 0);
		CHECK_EQ(tlb, rmem.base + i * 0x4000 + 0x3000);
		swiotlb_tbl_unmap_single(&dev, tlb, 4096, DMA_FROM_DEVICE, 0);
	}
	sim_forgive_warnings(); /* of an alignment larger than a page */
	dev.min_align_mask = 0;
	memset(bytes, 0x5a, sizeof(bytes));
	sim_copy_to_phys(area + 0x3000, bytes, sizeof(bytes));
	while ((pages[n] = swiotlb_alloc(&dev, 4096))) {
		swiotlb_sync_single_for_cpu(&dev, page_to_phys(pages[n]), 4096, DMA_FROM_DEVICE);
		sim_copy_from_phys(now, area + 0x3000, sizeof(now));
		CHECK(!memcmp(bytes, now, sizeof(now)), "page %u was copied to a buffer", n);
		n++;
	}
	CHECK_EQ(n, SEGMENT / 4096);
	/* Each is in use until it is freed itself. */
	CHECK_EQ(subject_pools(&dev, &pool, 1), 1);
	while (n--) {
		CHECK(!subject_slot_free(&pool, (page_to_phys(pages[n]) - pool.start) / SLAB));
		CHECK(swiotlb_free(&dev, pages[n], 4096));
	}
	test_pools(&dev, true);
}

/* There is no buffer whose place matters: any page will do. */
TEST(restricted_pages_anywhere)
{
	struct page *page;
	int n = 0;

	boot(MB);
	CHECK(!rmem.ops->device_init(&rmem, &dev));
	dev.min_align_mask = 0xffff;
	while ((page = swiotlb_alloc(&dev, 4096)))
		n++;
	CHECK_EQ(n, MB / 4096);
}

/* Two devices use one pool; it is cleared and decrypted once, for both. */
TEST(restricted_second_device)
{
	struct device other;
	phys_addr_t tlb;
	u8 byte = 77;

	boot(MB);
	CHECK(!rmem.ops->device_init(&rmem, &dev));
	CHECK_EQ(sim_decrypted(rmem.base, rmem.size), rmem.size);
	CHECK_EQ(sim_decrypted_bytes, rmem.size);
	area = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	tlb = map_slots(3);
	sim_copy_to_phys(tlb, &byte, 1);
	sim_device(&other, "other", DMA_BIT_MASK(64));
	CHECK(!rmem.ops->device_init(&rmem, &other));
	sim_copy_from_phys(&byte, tlb, 1);
	CHECK_EQ(byte, 77);
	/* It leaves, and has the default pools again; the first stays. */
	rmem.ops->device_release(&rmem, &other);
	CHECK(is_swiotlb_active(&other) && !is_swiotlb_force_bounce(&other) &&
	      !swiotlb_find_pool(&other, tlb));
	unmap_slots(tlb, 3);
	test_pools(&dev, true);
}

/* Whose pool is full cannot raise its size on the command line. */
TEST(restricted_full_raises_nothing)
{
	phys_addr_t orig;

	boot(MB);
	CHECK_EQ(rmem.ops->device_init(&rmem, &dev), 0);
	orig = sim_alloc_at(0, 64 * MB, SEGMENT, PAGE_SIZE);
	while (swiotlb_map(&dev, orig, SEGMENT, DMA_TO_DEVICE, 0) != DMA_MAPPING_ERROR)
		;
	CHECK(sim_log_has("swiotlb buffer is full (sz: "));
	CHECK(!sim_log_has("raise <"));
}
