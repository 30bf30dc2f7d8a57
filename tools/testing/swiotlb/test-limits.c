// SPDX-License-Identifier: GPL-2.0
/* Limits: first and last bytes, least and largest sizes, what is said once or not at all. */
#include "model.h"
#include <linux/swiotlb.h>
#include <xen/swiotlb-xen.h>

/* What is not said again stays: a word as much as a number. */
TEST(limit_param_word_stays)
{
	struct sim_machine machine = { .ram = { { 0, 16 * MB } }, .cpus = 2 };

	test_boot(&machine, "force");
	subject_param((char[]){ "1024" });
	CHECK(subject_forced() && !subject_disabled());
	test_boot(&machine, "noforce");
	subject_param((char[]){ "1024" });
	CHECK(subject_disabled() && !subject_forced());
}

/* The longest number that is looked at has 31 digits; areas end where segments do. */
TEST(limit_param_longest, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine = { .ram = { { 0, 16 * MB } }, .cpus = 2 };

	test_boot(&machine, "0000000000000000000000000001000");
	CHECK_EQ(subject_request(SWIOTLB_LO), 512);
	test_boot(&machine, "00000000000000000000000000001000");
	CHECK(sim_log_has("is too large") && subject_request(SWIOTLB_LO) == 32768);
	test_boot(&machine, ",8388608");
	CHECK_EQ(subject_areas(), 8388608);
	CHECK(!sim_log_has("warn:"));
	test_boot(&machine, ",8388609");
	CHECK(sim_log_has("number of areas '8388609' is too large") && !subject_areas());
}

/* A segment for each area is enough as it is. */
TEST(limit_param_roundup_is_said_once)
{
	struct sim_machine machine = { .ram = { { 0, 16 * MB } }, .cpus = 2 };

	test_boot(&machine, "1024,8");
	CHECK_EQ(subject_request(SWIOTLB_LO), 1024);
	CHECK(!sim_log_has("roundup"));
}

static u64 bytes_of(int type)
{
	struct subject_pool pool = test_pool(type);

	return pool.nslabs ? pool.nslabs * SLAB + subject_overhead(&pool) : 0;
}

static void check_nothing_lost(void)
{
	CHECK_EQ(sim_allocated(), bytes_of(SWIOTLB_LO) + bytes_of(SWIOTLB_HI));
}

/* The line of those who ask for nothing, to the letter: it ends with the address behind. */
TEST(limit_init_message_without_hi)
{
	struct sim_machine machine;
	struct subject_pool lo;
	char text[96];

	test_machine(&machine, 512 * MB, 0, 2);
	test_boot(&machine, NULL);
	subject_early(false, SWIOTLB_VERBOSE);
	lo = test_pool(SWIOTLB_LO);
	snprintf(text, sizeof(text), "mapped [mem 0x%0*llx-0x%0*llx] (64MB)",
		 (int)sizeof(phys_addr_t) * 2, (u64)lo.start, (int)sizeof(phys_addr_t) * 2,
		 (u64)lo.end);
	CHECK(sim_log_has(text), "%s", text);
}

/* Whole segments, whatever is asked for, and only the first who asks is heard. */
TEST(limit_init_adjust_size_once)
{
	struct sim_machine machine;

	test_machine(&machine, 512 * MB, 0, 2);
	test_boot(&machine, NULL);
	swiotlb_adjust_size(8 * MB + 5000);
	CHECK_EQ(swiotlb_size_or_default(), 8 * MB + SEGMENT);
	swiotlb_adjust_size(16 * MB);
	CHECK_EQ(swiotlb_size_or_default(), 8 * MB + SEGMENT);
}

/* The early allocator clears nothing, and counters begin at 0. */
TEST(limit_init_counters_begin_at_0, .needs_hi = true, .needs_64bit = true)
{
	static const char *const files[] = { "used", "used_hiwater", "bounces", "bounced_bytes",
					     "failures" };
	struct sim_machine machine;
	char path[64];
	u64 val;

	test_machine(&machine, 64 * MB, 64 * MB, 4);
	machine.dirty = true;
	test_boot(&machine, "2048,4,4M");
	subject_early(false, 0);
	subject_late_files();
	if (sim_file_get("/swiotlb/io_tlb_used", &val))
		test_skip("there are no files");
	for (int i = 0; i < 2 * ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/swiotlb/%s/%s", i % 2 ? "hi" : "lo", files[i / 2]);
		CHECK(!sim_file_get(path, &val) && !val, "%s: %llu", path, val);
	}
	test_pools(NULL, true);
}

/* Late: whole segments, of more than the least pool. */
TEST(limit_late_sizes)
{
	struct sim_machine machine;

	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, NULL);
	/* 1 MiB and a slab: rounded up to a segment, that to what the page allocator gives */
	CHECK_EQ(subject_late(MB + SLAB, GFP_KERNEL), 0);
	CHECK_EQ(test_pool(SWIOTLB_LO).nslabs, 1024);
	test_boot(&machine, NULL);
	CHECK_EQ(subject_late(MB, GFP_KERNEL), -ENOMEM);
	CHECK_EQ(sim_allocated(), 0);
}

/* The least pool is what the smallest size gives, and what little memory is halved to. */
TEST(limit_init_hi_of_the_least_size, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine;

	test_machine(&machine, 64 * MB, 64 * MB, 1);
	test_boot(&machine, "512,1,1");
	subject_early(false, 0);
	CHECK_EQ(test_pool(SWIOTLB_HI).nslabs, (MB / SLAB));
	test_machine(&machine, MB + 64 * 1024, MB + 64 * 1024, 1);
	test_boot(&machine, "512,1,2M");
	subject_early(false, 0);
	CHECK_EQ(test_pool(SWIOTLB_HI).nslabs, (MB / SLAB));
	check_nothing_lost();
}

/* Three quarters to the byte is not too much. */
TEST(limit_init_hi_of_three_quarters, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine;
	char param[32];
	u64 free, odd;

	test_machine(&machine, 64 * MB, 320 * MB, 2);
	test_boot(&machine, "512,1");
	subject_early(false, 0);
	/* The first page is not there. */
	free = 64 * MB + 320 * MB - PAGE_SIZE - sim_allocated();
	odd = free % (4 * SEGMENT);
	snprintf(param, sizeof(param), "512,1,%llu", (free - odd) / 4 * 3 / SLAB);
	test_boot(&machine, param);
	CHECK(sim_alloc_at(0, 64 * MB, odd, PAGE_SIZE));
	subject_early(false, 0);
	CHECK_EQ(test_pool(SWIOTLB_HI).nslabs, (free - odd) / 4 * 3 / SLAB);
}

static struct reserved_mem rmem;
static struct device rdev;

TEST(limit_restricted_bookkeeping_of_each_size)
{
	for (unsigned long slabs = 2; slabs < 3000; slabs += PAGE_SIZE / SLAB) {
		struct sim_machine machine = { .cpus = 1, .ram = { { 0, 64 * MB } } };

		test_boot(&machine, "512");
		rmem = (struct reserved_mem){ .name = "pool", .size = slabs * SLAB };
		rmem.base = sim_alloc_at(0, 64 * MB, rmem.size, PAGE_SIZE);
		CHECK(!subject_rmem_setup(&rmem));
		sim_device(&rdev, "dev", DMA_BIT_MASK(32));
		CHECK(!rmem.ops->device_init(&rmem, &rdev));
		test_pools(&rdev, true);
	}
}

static void in_use(phys_addr_t start, phys_addr_t end)
{
	if (start < end)
		CHECK_EQ(sim_alloc_at(start, end, end - start, PAGE_SIZE), start);
}

/*
 * Of memory that suits HI only @bytes from 4 GiB on are free, and less than 1 MiB
 * for the bookkeeping.
 */
static void boot_with_run(const char *param, u64 bytes, bool odd)
{
	struct hyp_machine hyp = { .layout = HYP_IDENTITY,
				   .low_heap = 64 * MB,
				   .high_heap = 64 * MB };

	test_boot_xen(5 * GB, &hyp, param);
	in_use(SZ_4G - 96 * MB, SZ_4G);
	in_use(SZ_4G + bytes, 5 * GB - MB);
	if (odd)
		CHECK_EQ(sim_alloc_at(SZ_4G, SZ_4G + 100, 100, 4), SZ_4G);
	subject_early(true, SWIOTLB_VERBOSE);
	hyp_check();
	CHECK_EQ(sim_warnings(), 0);
}

/* Where free memory ends, a run ends, and not before; it need not begin at a page. */
TEST(limit_xen_hi_in_a_run_that_just_fits, .needs_hi = true, .needs_64bit = true)
{
	boot_with_run("512,1,8M", 8 * MB, false);
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 8 * MB / SLAB);
	CHECK(sim_log_has("exchanged 0 of ") && test_pool(SWIOTLB_HI).start == SZ_4G);
	boot_with_run("512,1,8M", 8 * MB + SEGMENT + 3 * PAGE_SIZE, true);
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 8 * MB / SLAB);
	CHECK(sim_log_has("exchanged 0 of ") && test_pool(SWIOTLB_HI).start == SZ_4G + SEGMENT);
}

/* A shorter run has as much for all areas, and is never less than the least pool. */
TEST(limit_xen_hi_in_a_shorter_run, .needs_hi = true, .needs_64bit = true)
{
	boot_with_run("512,4,2M", 7 * SEGMENT, false);
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 4 * SEGMENT / SLAB);
	CHECK_EQ(test_pool(SWIOTLB_HI).nareas, 4);
	boot_with_run("512,1,1M", 0, false);
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), MB / SLAB);
}

/* One bit fewer is enough for the other half. */
TEST(limit_xen_hi_takes_the_next_width, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_HALVES, .low_heap = 16 * MB };

	test_boot_xen(12 * GB, &hyp, "512,2,1G");
	subject_early(true, SWIOTLB_VERBOSE);
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), GB / SLAB);
	CHECK(test_pool(SWIOTLB_HI).bus.end <= DMA_BIT_MASK(33), "HI ends at 0x%llx",
	      test_pool(SWIOTLB_HI).bus.end);
}

/* What is tried again is not warned of, and LO is not spoken of. */
TEST(limit_xen_messages, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_SCATTERED,
				   .low_heap = 32 * MB,
				   .high_heap = 64 * MB };
	unsigned int for_lo;

	test_boot_xen(64 * MB, &hyp, "512,1");
	subject_early(true, SWIOTLB_VERBOSE);
	CHECK(!sim_log_has("exchanged"));
	for_lo = sim_calls(SIM_FAIL_EXCHANGE);
	test_boot_xen(64 * MB, &hyp, "512,1,8M");
	sim_fail(SIM_FAIL_EXCHANGE, for_lo + 13, 1000000);
	subject_early(true, SWIOTLB_VERBOSE);
	CHECK(subject_nslabs(SWIOTLB_HI));
	CHECK(!sim_log_has("warn:") && !sim_log_has("Failed to remap"));
}

/* Where frames are not machine memory it is HI that counts, and nobody is asked for more. */
TEST(limit_xen_required_mask_without_pv, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine;
	struct device dev;

	for (int with_hi = 0; with_hi < 2; with_hi++) {
		test_machine(&machine, 64 * MB, 64 * MB, 1);
		test_boot(&machine, with_hi ? "512,1,8M" : "512,1");
		subject_early(false, 0);
		subject_xen_init();
		sim_device(&dev, "dev", DMA_BIT_MASK(64));
		CHECK_EQ(subject_xen_ops->get_required_mask(&dev), DMA_BIT_MASK(with_hi ? 33 : 32));
	}
}

/* LO cannot be had: devices that reach HI are supported, others are not. */
TEST(limit_xen_supported_by_hi_alone, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_SCATTERED,
				   .low_heap = 512 * 1024,
				   .high_heap = 64 * MB,
				   .domain_high = true };
	struct device dev;

	test_boot_xen(64 * MB, &hyp, "512,1,8M");
	subject_early(true, 0);
	CHECK(!subject_nslabs(SWIOTLB_LO) && subject_nslabs(SWIOTLB_HI));
	sim_device(&dev, "dev", DMA_BIT_MASK(64));
	CHECK(subject_xen_ops->dma_supported(&dev, DMA_BIT_MASK(40)));
	CHECK(!subject_xen_ops->dma_supported(&dev, DMA_BIT_MASK(32)));
}

/* The machine that a domain is restored on may have more memory. */
TEST(limit_xen_restored_on_a_larger_machine, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_IDENTITY,
				   .low_heap = 32 * MB,
				   .machine = 1ULL << 34 };
	struct device dev;

	test_boot_xen(64 * MB, &hyp, "512,1");
	subject_early(true, 0);
	sim_device(&dev, "dev", DMA_BIT_MASK(64));
	CHECK_EQ(subject_xen_ops->get_required_mask(&dev), DMA_BIT_MASK(34));
	hyp_move(1ULL << 36);
	hyp_resume();
	CHECK_EQ(subject_xen_ops->get_required_mask(&dev), DMA_BIT_MASK(36));
}

/* At no time does the host see what was in memory before. */
TEST(limit_init_cleared_before_it_is_decrypted)
{
	struct sim_machine machine;

	test_machine(&machine, 64 * MB, 64 * MB, 2);
	machine.dirty = true;
	test_boot(&machine, "2048,2" WITH_HI("4M"));
	sim_encrypted = true;
	subject_early(false, 0);
	sim_secrets_shown = 0;
	swiotlb_update_mem_attributes();
	CHECK_EQ(sim_secrets_shown, 0);
}

/* What a mapping with padding says of its slots, it says of no others: those behind are in use. */
TEST(limit_map_padding_and_the_next)
{
	struct sim_machine machine;
	phys_addr_t orig, tlb[256], padded;
	struct device dev;
	u8 byte = 7;

	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, "512,1");
	subject_early(false, 0);
	subject_forbid_growth(true);
	orig = sim_alloc_at(0, 64 * MB, 2 * MB, PAGE_SIZE);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	dev.min_align_mask = 0xfff;
	for (int i = 0; i < 256; i++)
		tlb[i] = swiotlb_tbl_map_single(&dev, orig + i * 4096, 4096, 0xfff,
						DMA_BIDIRECTIONAL, 0);
	swiotlb_tbl_unmap_single(&dev, tlb[100], 4096, DMA_TO_DEVICE, 0);
	padded = swiotlb_tbl_map_single(&dev, orig + MB + 2048, 2048, 0xfff, DMA_TO_DEVICE, 0);
	CHECK_EQ(padded, tlb[100] + 2048);
	for (int i = 99; i <= 101; i += 2) {
		sim_copy_to_phys(tlb[i] + 5, &byte, 1);
		swiotlb_tbl_unmap_single(&dev, tlb[i], 4096, DMA_FROM_DEVICE, 0);
		byte = 0;
		sim_copy_from_phys(&byte, orig + i * 4096 + 5, 1);
		CHECK_EQ(byte, 7);
	}
	CHECK_EQ(subject_used(SWIOTLB_LO), 508);
	test_pools(NULL, false);
}

/* Padding in front does not make the buffer longer. */
TEST(limit_sync_beyond_a_buffer_with_padding)
{
	struct sim_machine machine;
	phys_addr_t orig, tlb;
	struct device dev;

	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, "512,1");
	subject_early(false, 0);
	orig = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	dev.min_align_mask = 0xfff;
	tlb = swiotlb_tbl_map_single(&dev, orig + 2048, 6144, 0xfff, DMA_BIDIRECTIONAL, 0);
	for (int slot = 0; slot < 3; slot++) {
		swiotlb_sync_single_for_device(&dev, tlb + slot * SLAB, (3 - slot) * SLAB,
					       DMA_TO_DEVICE);
		CHECK_EQ(sim_warnings(), 0);
		swiotlb_sync_single_for_device(&dev, tlb + slot * SLAB, (3 - slot) * SLAB + 1,
					       DMA_TO_DEVICE);
		CHECK(sim_warnings(), "slot %d", slot);
		sim_forgive_warnings();
	}
}

/* From the beginning of each slot of a mapping: all of it, and then a byte more */
static void sync_beyond(struct device *dev, phys_addr_t orig, size_t size)
{
	phys_addr_t tlb = swiotlb_tbl_map_single(dev, orig, size, 0, DMA_FROM_DEVICE, 0);
	u8 byte;

	for (size_t at = 0; at < size; at += SLAB - (tlb + at) % SLAB) {
		swiotlb_sync_single_for_cpu(dev, tlb + at, size - at, DMA_FROM_DEVICE);
		CHECK_EQ(sim_warnings(), 0);
		byte = 77;
		sim_copy_to_phys(orig + size, &byte, 1);
		swiotlb_sync_single_for_cpu(dev, tlb + at, size - at + 1, DMA_FROM_DEVICE);
		CHECK(sim_warnings(), "%zu bytes at %llu: from %zu on", size, orig % PAGE_SIZE, at);
		sim_forgive_warnings();
		sim_copy_from_phys(&byte, orig + size, 1);
		CHECK_EQ(byte, 77);
	}
	swiotlb_tbl_unmap_single(dev, tlb, size, DMA_FROM_DEVICE, 0);
}

/*
 * Whatever the offset, and also where the last slot has less of the buffer than the first
 * leaves out: one byte too many is noticed in each slot, and nothing behind is written.
 */
TEST(limit_sync_beyond_a_buffer_with_an_offset)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t orig;

	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, "512,1");
	subject_early(false, 0);
	orig = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	dev.min_align_mask = 0xfff;
	for (size_t offset = 1; offset < 4096; offset += 273)
		for (size_t size = 1; size < 3 * SLAB; size += 311)
			sync_beyond(&dev, orig + offset, size);
}

static phys_addr_t forig;

static phys_addr_t fmap(struct device *dev, int cpu)
{
	sim_use_cpu(cpu);
	return swiotlb_tbl_map_single(dev, forig, 2048, 0, DMA_TO_DEVICE, 0);
}

/* What was not announced counts when somebody asks, and after a reset, of each type. */
TEST(limit_files_hiwater_of_what_is_not_announced, .needs_hi = true, .needs_64bit = true)
{
	static const char all[] = "/swiotlb/io_tlb_used_hiwater";
	struct sim_machine machine;
	phys_addr_t a[10], b[10];
	u64 val;

	for (int type = 0; type < 2; type++) {
		const char *own = type ? "/swiotlb/hi/used_hiwater" : "/swiotlb/lo/used_hiwater";
		struct device dev;

		/* Areas of 512 slots announce a difference of more than 2. */
		test_machine(&machine, 64 * MB, 64 * MB, 2);
		test_boot(&machine, "1024,2,2M");
		subject_early(false, 0);
		subject_late_files();
		if (sim_file_get(all, &val))
			test_skip("needs CONFIG_DEBUG_FS");
		forig = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
		sim_device(&dev, "dev", DMA_BIT_MASK(type ? 64 : 32));
		for (int i = 0; i < 10; i++)
			a[i] = fmap(&dev, 0);
		for (int i = 9; i >= 1; i--)
			swiotlb_tbl_unmap_single(&dev, a[i], 2048, DMA_TO_DEVICE, 0);
		for (int i = 1; i < 3; i++)
			a[i] = fmap(&dev, 0);
		for (int i = 0; i < 10; i++)
			b[i] = fmap(&dev, 1);
		CHECK(!sim_file_get(own, &val) && val == 13, "%llu", val);
		CHECK(!sim_file_get(all, &val) && val == 13, "%llu", val);
		for (int i = 0; i < 10; i++) {
			swiotlb_tbl_unmap_single(&dev, b[i], 2048, DMA_TO_DEVICE, 0);
			if (i < 3)
				swiotlb_tbl_unmap_single(&dev, a[i], 2048, DMA_TO_DEVICE, 0);
		}
		CHECK_EQ(sim_file_set(all, 0), 0);
		for (int i = 0; i < 2; i++)
			a[i] = fmap(&dev, 0);
		for (int i = 0; i < 2; i++)
			swiotlb_tbl_unmap_single(&dev, a[i], 2048, DMA_TO_DEVICE, 0);
		CHECK(!sim_file_get(all, &val) && val >= 2, "%llu after a reset", val);
	}
}

/* No directory of a pool that there is not */
TEST(limit_files_lo_is_not_there, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine;
	u64 val;

	test_machine(&machine, 900 * 1024, 64 * MB, 1);
	test_boot(&machine, ",,8M");
	subject_early(false, 0);
	subject_late_files();
	if (sim_file_get("/swiotlb/hi/nslabs", &val))
		test_skip("needs CONFIG_DEBUG_FS");
	CHECK_EQ(sim_file_get("/swiotlb/lo/nslabs", &val), -ENOENT);
}

/* Up to the last byte below 4 GiB is low. */
TEST(limit_init_lo_ends_at_4_gib, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine = { .cpus = 1, .ram = { { SZ_4G - 64 * MB, SZ_4G + 64 * MB } } };

	test_boot(&machine, "4096,,1M");
	subject_early(false, SWIOTLB_VERBOSE);
	CHECK_EQ(test_pool(SWIOTLB_LO).end, SZ_4G);
	CHECK(!sim_log_has("not below 4 GiB"));
}

/* The byte behind a pool is somebody else's. */
TEST(limit_map_found_to_the_last_byte, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine;
	phys_addr_t orig;
	struct device dev;

	test_machine(&machine, 64 * MB, 64 * MB, 1);
	test_boot(&machine, "512,1,4M,force");
	subject_early(false, 0);
	sim_device(&dev, "dev", DMA_BIT_MASK(64));
	orig = sim_alloc_at(0, 64 * MB, 4096, PAGE_SIZE);
	CHECK(swiotlb_map(&dev, orig, 4096, DMA_TO_DEVICE, 0) != DMA_MAPPING_ERROR);
	for (int type = 0; type < 2; type++) {
		struct subject_pool pool = test_pool(type);

		CHECK(swiotlb_find_pool(&dev, pool.start) == pool.raw &&
		      swiotlb_find_pool(&dev, pool.end - 1) == pool.raw);
		CHECK(!swiotlb_find_pool(&dev, pool.end) &&
		      !swiotlb_find_pool(&dev, pool.start - 1));
	}
}
