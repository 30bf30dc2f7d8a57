// SPDX-License-Identifier: GPL-2.0
/* Xen PV: what the fixup makes of pools, and mappings by machine address. */
#include "model.h"

#include <xen/swiotlb-xen.h>

static void *low_memory(u64 bytes)
{
	phys_addr_t phys = sim_alloc_at(0, PHYS_ADDR_MAX, bytes, PAGE_SIZE);

	CHECK(phys, "no memory for the test");
	return phys_to_virt(phys);
}

/* Each segment contiguous and aligned in machine memory, and where devices reach it */
static void check_pool(int type)
{
	struct subject_pool pool = test_pool(type);
	struct range seen = { ~0ULL, 0 };

	for (phys_addr_t p = pool.start; p < pool.end; p += SEGMENT) {
		unsigned long mfn = hyp_mfn(PFN_DOWN(p));

		CHECK(mfn % (SEGMENT / PAGE_SIZE) == 0, "segment at 0x%llx: machine page 0x%lx", p,
		      mfn);
		for (unsigned long i = 0; i < SEGMENT / PAGE_SIZE; i++)
			CHECK(hyp_mfn(PFN_DOWN(p) + i) == mfn + i,
			      "segment at 0x%llx is not contiguous", p);
		if (type == SWIOTLB_LO)
			CHECK(PFN_PHYS(mfn) + SEGMENT <= SZ_4G, "LO is at 0x%llx", PFN_PHYS(mfn));
		else
			CHECK(PFN_PHYS(mfn) >= SZ_4G, "HI took low memory, at 0x%llx",
			      PFN_PHYS(mfn));
		seen.start = min(seen.start, PFN_PHYS(mfn));
		seen.end = max(seen.end, PFN_PHYS(mfn) + SEGMENT - 1);
	}
#ifdef SUBJECT_HAS_HI
	if (pool.nslabs) {
		CHECK(pool.bus.start == seen.start && pool.bus.end == seen.end,
		      "it says bus 0x%llx-0x%llx, and is 0x%llx-0x%llx", pool.bus.start,
		      pool.bus.end, seen.start, seen.end);
		CHECK_EQ(subject_bus_limit(type), seen.end);
	}
#endif
}

static u64 pool_bytes(int type)
{
	struct subject_pool pool = test_pool(type);

	return pool.nslabs ? pool.nslabs * SLAB + subject_overhead(&pool) : 0;
}

static void check_all(void)
{
	check_pool(SWIOTLB_LO);
	check_pool(SWIOTLB_HI);
	hyp_check();
	CHECK_EQ(sim_allocated(), pool_bytes(SWIOTLB_LO) + pool_bytes(SWIOTLB_HI));
	test_pools(NULL, true);
}

TEST(xen_lo_on_every_layout)
{
	for (int layout = 0; layout < HYP_LAYOUTS; layout++) {
		struct hyp_machine hyp = {
			.layout = layout,
			.low_heap = 32 * MB,
			.high_heap = 64 * MB,
		};

		test_boot_xen(128 * MB, &hyp, "8192,2");
		subject_early(true, SWIOTLB_VERBOSE);
		CHECK_EQ(subject_nslabs(SWIOTLB_LO), 8192);
		check_all();
	}
}

TEST(xen_lo_and_hi_on_every_layout, .needs_hi = true, .needs_64bit = true)
{
	for (int layout = 0; layout < HYP_LAYOUTS; layout++) {
		/* Machine memory below 4 GiB is mostly the domain's. */
		struct hyp_machine hyp = {
			.layout = layout,
			.low_heap = 32 * MB,
			.high_heap = 2 * GB,
		};

		test_boot_xen(6 * GB, &hyp, "8192,2,1G");
		subject_early(true, SWIOTLB_VERBOSE);
		CHECK_EQ(subject_nslabs(SWIOTLB_LO), 8192);
		if (layout == HYP_LOW_IN_MIDDLE)
			CHECK(subject_nslabs(SWIOTLB_HI) >= GB / SLAB / 2);
		else
			CHECK_EQ(subject_nslabs(SWIOTLB_HI), GB / SLAB);
		check_all();
		/* Where memory is contiguous as it is, nothing is exchanged for HI. */
		if (layout == HYP_IDENTITY || layout == HYP_ODD || layout == HYP_LOW_IN_MIDDLE)
			CHECK(sim_log_has("exchanged 0 of "), "layout %d",
			      layout);
	}
}

/* LO is as low as it can be: some devices reach less than 32 bits. */
TEST(xen_lo_takes_the_lowest)
{
	struct hyp_machine hyp = {
		.layout = HYP_SCATTERED,
		.low_heap = 1024 * MB,
		.high_heap = 64 * MB,
	};

	test_boot_xen(128 * MB, &hyp, "8192,2");
	subject_early(true, 0);
	/* 16 MiB in the 32 MiB from 1 MiB on, though a GiB is free */
	for (phys_addr_t p = test_pool(SWIOTLB_LO).start; p < test_pool(SWIOTLB_LO).end;
	     p += SEGMENT)
		CHECK(hyp_mfn(PFN_DOWN(p)) < PFN_DOWN(64 * MB), "machine page 0x%lx",
		      hyp_mfn(PFN_DOWN(p)));
	check_all();
}

/*
 * The nth exchange fails, or all from the nth on: a smaller pool, or none. Low
 * memory that is not in a pool is the hypervisor's again, and no page is lost.
 */
static void fail_exchanges(const char *param, u64 ram, int layout, bool high, unsigned int count,
			   unsigned int step)
{
	for (unsigned int nth = 1;; nth += step) {
		struct hyp_machine hyp = {
			.layout = layout,
			.low_heap = 64 * MB,
			.high_heap = 64 * MB,
			.domain_high = high,
		};
		u64 low;

		test_boot_xen(ram, &hyp, param);
		low = hyp_heap_bytes(true);
		sim_fail(SIM_FAIL_EXCHANGE, nth, count);
		subject_early(true, SWIOTLB_VERBOSE);
		if (sim_calls(SIM_FAIL_EXCHANGE) < nth)
			break;
		check_all();
		if (high)
			CHECK_EQ(hyp_heap_bytes(true) + subject_nslabs(SWIOTLB_LO) * SLAB, low);
	}
}

TEST(xen_one_exchange_fails, .base_fails = true)
{
	for (int layout = HYP_ODD; layout < HYP_LAYOUTS; layout++) {
		fail_exchanges("4096,2", 64 * MB, layout, false, 1, 1);
		fail_exchanges("4096,2", 64 * MB, layout, true, 1, 1);
		/* All 15 widths of the address, and the next segment goes on */
		fail_exchanges("4096,2", 64 * MB, layout, true, 20, 1);
	}
}

TEST(xen_exchanges_fail_from_one_on, .base_fails = true)
{
	for (int layout = HYP_ODD; layout < HYP_LAYOUTS; layout++) {
		fail_exchanges("4096,2", 64 * MB, layout, false, 1000000, 1);
		fail_exchanges("4096,2", 64 * MB, layout, true, 1000000, 1);
	}
	/* What is left is too small for so many areas. */
	fail_exchanges("4096,32", 64 * MB, HYP_SCATTERED, true, 1000000, 5);
}

TEST(xen_hi_exchanges_fail, .needs_hi = true, .needs_64bit = true)
{
	fail_exchanges("512,2,32M", 4 * GB + 512 * MB, HYP_SCATTERED, false, 1, 9);
	fail_exchanges("512,2,32M", 4 * GB + 512 * MB, HYP_SCATTERED, false, 1000000, 9);
	fail_exchanges("512,2,32M", 4 * GB + 512 * MB, HYP_REVERSED, false, 7, 5);
	fail_exchanges("2048,2,8M", 256 * MB, HYP_REVERSED, true, 1, 1);
	fail_exchanges("2048,2,8M", 256 * MB, HYP_REVERSED, true, 1000000, 1);
}

/* A quarter of LO can be had: that is kept, and the rest of low memory is not used up. */
TEST(xen_low_memory_is_short, .base_fails = true)
{
	struct hyp_machine hyp = { .layout = HYP_SCATTERED,
				   .low_heap = 9 * MB,
				   .high_heap = 128 * MB,
				   .domain_high = true };

	test_boot_xen(256 * MB, &hyp, "16384,2");
	subject_early(true, SWIOTLB_VERBOSE);
	CHECK_EQ(subject_nslabs(SWIOTLB_LO), 8 * MB / SLAB);
	CHECK(sim_log_has("size adjusted 16384 -> 4096 slabs"));
	check_all();
	CHECK_EQ(hyp_heap_bytes(true), MB);
}

/* Not even the least: no pool, nothing lost, and the hypervisor has its low memory. */
TEST(xen_no_low_memory, .base_fails = true)
{
	struct hyp_machine hyp = { .layout = HYP_SCATTERED,
				   .low_heap = 512 * 1024,
				   .high_heap = 128 * MB,
				   .domain_high = true };

	test_boot_xen(256 * MB, &hyp, "16384,2");
	subject_early(true, SWIOTLB_VERBOSE);
	CHECK(!is_swiotlb_allocated());
	hyp_check();
	CHECK_EQ(sim_allocated(), 0);
	CHECK_EQ(hyp_heap_bytes(true), 512 * 1024);
}

/* Extents of the hypervisor have holes: HI has to be where no exchange is needed. */
TEST(xen_heap_is_fragmented, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = {
		.layout = HYP_ODD, .low_heap = 1 * GB, .high_heap = 1 * GB, .fragmented = true
	};

	test_boot_xen(6 * GB, &hyp, "8192,2,1G");
	subject_early(true, SWIOTLB_VERBOSE);
	check_all();
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), GB / SLAB);
	hyp.layout = HYP_SCATTERED;
	test_boot_xen(6 * GB, &hyp, "8192,2,1G");
	subject_early(true, SWIOTLB_VERBOSE);
	check_all();
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 0);
	CHECK(sim_log_has("hi: no pool, all devices use lo"));
}

/* A run of half of it is better than exchanging all; less than that is not. */
TEST(xen_hi_is_placed, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_IDENTITY,
				   .low_heap = 16 * MB,
				   .high_heap = 64 * MB };
	struct subject_pool hi;
	u64 low;

	test_boot_xen(7 * GB, &hyp, "512,2,2G");
	low = hyp_heap_bytes(true);
	subject_early(true, SWIOTLB_VERBOSE);
	hi = test_pool(SWIOTLB_HI);
	CHECK(hi.start >= SZ_4G, "HI took pseudo-physical memory below 4 GiB");
	/* LO was exchanged for a MiB of it. */
	CHECK(hyp_heap_bytes(true) + MB >= low, "HI took low memory");
	check_all();

	/* Only where pseudo-physical memory is low is machine memory high. */
	hyp.layout = HYP_REVERSED;
	test_boot_xen(8 * GB, &hyp, "512,2,1G");
	subject_early(true, SWIOTLB_VERBOSE);
	check_all();

	/* No run is half as long as what is asked for: all of it is exchanged instead. */
	hyp.layout = HYP_LOW_IN_MIDDLE;
	hyp.high_heap = 2 * GB;
	test_boot_xen(6 * GB, &hyp, "512,2,2G");
	subject_early(true, SWIOTLB_VERBOSE);
	check_all();
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 2 * GB / SLAB);
	hyp.high_heap = 64 * MB;

	/* Small pools, sizes that no areas divide, one CPU */
	for (unsigned int mb = 1; mb < 40; mb += 3) {
		char param[64];

		snprintf(param, sizeof(param), "512,%u,%uM", mb % 5 + 1, mb);
		hyp.layout = mb % HYP_LAYOUTS;
		test_boot_xen(5 * GB, &hyp, param);
		subject_early(true, SWIOTLB_VERBOSE);
		check_all();
		CHECK(subject_nslabs(SWIOTLB_HI) >= mb * MB / SLAB / 2, "%s: %lu", param,
		      subject_nslabs(SWIOTLB_HI));
	}
}

/* All memory suits, and that below 4 GiB is left to those who need it. */
TEST(xen_hi_leaves_dma32, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_IDENTITY,
				   .low_heap = 16 * MB,
				   .high_heap = 64 * MB,
				   .domain_high = true };

	test_boot_xen(6 * GB, &hyp, "512,2,1G");
	subject_early(true, SWIOTLB_VERBOSE);
	check_all();
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), GB / SLAB);
	CHECK(test_pool(SWIOTLB_HI).start >= SZ_4G);
}

/* The fewest bits: the memory that is reached with them is the last that is looked at. */
TEST(xen_hi_takes_the_lowest_run, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_HALVES, .low_heap = 16 * MB };

	test_boot_xen(24 * GB, &hyp, "512,2,1G");
	subject_early(true, SWIOTLB_VERBOSE);
	check_all();
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), GB / SLAB);
	CHECK(sim_log_has("exchanged 0 of "));
	CHECK(test_pool(SWIOTLB_HI).bus.end <= DMA_BIT_MASK(33), "HI ends at 0x%llx",
	      test_pool(SWIOTLB_HI).bus.end);
}

/*
 * The domain is at the end of a machine that is larger than what devices reach, and
 * the hypervisor has so many bytes left at 4 GiB. Returns the number of exchanges
 * that were tried for HI.
 */
static unsigned int boot_large(u64 machine, u64 heap, int layout)
{
	struct hyp_machine hyp = {
		.layout = layout, .low_heap = 64 * MB, .high_heap = heap, .machine = machine
	};
	unsigned int for_lo;
	u64 low;

	test_boot_xen(4 * GB, &hyp, "512,2");
	subject_early(true, 0);
	for_lo = sim_calls(SIM_FAIL_EXCHANGE);
	test_boot_xen(4 * GB, &hyp, "512,2,512M");
	low = hyp_heap_bytes(true);
	subject_early(true, SWIOTLB_VERBOSE);
	check_all();
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 512 * MB / SLAB);
	CHECK_EQ(low - hyp_heap_bytes(true), MB);
	return sim_calls(SIM_FAIL_EXCHANGE) - for_lo;
}

TEST(xen_hi_on_large_machines, .needs_hi = true, .needs_64bit = true)
{
	static const u64 machines[] = { 80 * GB, 1024 * GB, 4096 * GB };
	unsigned int segments = 512 * MB / SEGMENT, bits;
	struct device dev;

	for (int m = 0; m < ARRAY_SIZE(machines); m++) {
		bits = fls64(machines[m] - 1);
		/* Room for all of it below 8 GiB: devices of 33 bits and more use it. */
		CHECK_EQ(boot_large(machines[m], 1 * GB, HYP_IDENTITY), segments);
		for (unsigned int reach = 33; reach <= 64; reach++) {
			sim_device(&dev, "dev", DMA_BIT_MASK(reach));
			CHECK(subject_uses_hi(&dev), "%u bits", reach);
		}
		sim_device(&dev, "dev", DMA_BIT_MASK(32));
		CHECK(!subject_uses_hi(&dev));

		/* For a half of it: the rest stays, with a try for each width. */
		CHECK_EQ(boot_large(machines[m], 256 * MB, HYP_ODD), segments / 2 + bits - 32);
		CHECK(test_pool(SWIOTLB_HI).bus.end > DMA_BIT_MASK(bits - 1));
		/* For nothing: what was there comes back, and is in one piece. */
		CHECK_EQ(boot_large(machines[m], 0, HYP_IDENTITY), bits - 32);
		CHECK(sim_log_has("exchanged 1 of "));
	}
}

/*
 * Only low memory can be had with fewer bits than the rest of HI needs: a segment
 * that tried it has its own memory again, in one piece.
 */
TEST(xen_hi_gets_its_own_back, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_IDENTITY, .low_heap = 64 * MB };
	phys_addr_t above;

	test_boot_xen(16 * GB, &hyp, "512,2,6G");
	/* What LO gives for its memory is low, too: the hypervisor has no other. */
	above = sim_alloc_at(SZ_4G - 80 * MB, SZ_4G, 80 * MB, PAGE_SIZE);
	CHECK(above);
	subject_early(true, SWIOTLB_VERBOSE);
	sim_free(above, 80 * MB);
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 6 * GB / SLAB);
	CHECK(sim_log_has("exchanged 1 of "));
	check_all();
}

/*
 * One failure for each number of bits that memory can need, and no more. When all
 * that can be had is low, the hypervisor has it again.
 */
TEST(xen_hi_asks_for_each_width, .needs_hi = true, .needs_64bit = true)
{
	for (unsigned int bits = 33; bits <= 42; bits++) {
		struct hyp_machine hyp = { .layout = HYP_SCATTERED,
					   .low_heap = 64 * MB,
					   .machine = 1ULL << bits };
		unsigned int for_lo;

		test_boot_xen(64 * MB, &hyp, "512,1");
		subject_early(true, 0);
		for_lo = sim_calls(SIM_FAIL_EXCHANGE);
		test_boot_xen(64 * MB, &hyp, "512,1,1M");
		sim_fail(SIM_FAIL_EXCHANGE, for_lo + 1, 1000000);
		subject_early(true, SWIOTLB_VERBOSE);
		CHECK_EQ(subject_nslabs(SWIOTLB_HI), 0);
		CHECK_EQ(sim_calls(SIM_FAIL_EXCHANGE) - for_lo, bits - 32);
		check_all();

		test_boot_xen(64 * MB, &hyp, "512,1,1M");
		subject_early(true, SWIOTLB_VERBOSE);
		CHECK_EQ(subject_nslabs(SWIOTLB_HI), 0);
		CHECK_EQ(sim_calls(SIM_FAIL_EXCHANGE) - for_lo, bits - 32);
		CHECK_EQ(hyp_heap_bytes(true), 63 * MB);
		check_all();
	}
}

/* Half of a number of segments that is odd, where a second attempt would not find it */
TEST(xen_hi_keeps_half, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_SCATTERED,
				   .low_heap = 32 * MB,
				   .high_heap = 64 * MB };
	unsigned int for_lo;

	test_boot_xen(16 * MB, &hyp, "512,1");
	subject_early(true, 0);
	for_lo = sim_calls(SIM_FAIL_EXCHANGE);
	/* 4 of 9 can be had. */
	test_boot_xen(16 * MB, &hyp, "512,1,2304K");
	sim_fail(SIM_FAIL_EXCHANGE, for_lo + 5, 1000000);
	subject_early(true, SWIOTLB_VERBOSE);
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 4 * SEGMENT / SLAB);
	check_all();
}

/* Less than half is not kept at once: the next attempt has all that was exchanged. */
TEST(xen_hi_wants_half, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_SCATTERED,
				   .low_heap = 32 * MB,
				   .high_heap = 64 * MB };
	unsigned int for_lo;

	test_boot_xen(64 * MB, &hyp, "512,1");
	subject_early(true, 0);
	for_lo = sim_calls(SIM_FAIL_EXCHANGE);
	test_boot_xen(64 * MB, &hyp, "512,1,8M");
	/* 12 of 32 can be had. */
	sim_fail(SIM_FAIL_EXCHANGE, for_lo + 13, 1000000);
	subject_early(true, SWIOTLB_VERBOSE);
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 12 * SEGMENT / SLAB);
	check_all();
}

/* What the log says of bus addresses */
TEST(xen_print_bus, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_SCATTERED,
				   .low_heap = 32 * MB,
				   .high_heap = 64 * MB };

	test_boot_xen(64 * MB, &hyp, "512,1,8M");
	subject_early(true, SWIOTLB_VERBOSE);
	check_all();
	for (int type = 0; type < SUBJECT_TYPES; type++) {
		struct subject_pool pool = test_pool(type);
		char text[64];

		snprintf(text, sizeof(text), "bus [0x%016llx-0x%016llx]", (u64)pool.bus.start,
			 (u64)pool.bus.end);
		CHECK(sim_log_has(text), "%s", text);
	}
}

/* dma_supported: whether the device reaches the whole of a pool */
TEST(xen_dma_supported, .base_fails = true)
{
	for (int layout = 0; layout < HYP_LAYOUTS; layout++)
		for (int with_hi = 0; with_hi < 2; with_hi++) {
			struct hyp_machine hyp = { .layout = layout,
						   .low_heap = 48 * MB,
						   .high_heap = 64 * MB };
			struct device dev;
			u64 highest[2] = { 0 };

			if (with_hi && (BITS_PER_LONG == 32 || SUBJECT_TYPES == 1))
				continue;
			/* As low as there is room: the segments are not in order. */
			test_boot_xen(with_hi ? 5 * GB : 128 * MB, &hyp,
				      with_hi ? "16384,2,64M" : "16384,2");
			subject_early(true, 0);
			for (int type = 0; type <= with_hi; type++) {
				struct subject_pool pool = test_pool(type);

				for (phys_addr_t p = pool.start; p < pool.end; p += PAGE_SIZE)
					highest[type] =
						max(highest[type],
						    PFN_PHYS(hyp_mfn(PFN_DOWN(p))) + PAGE_SIZE - 1);
				if (type == SWIOTLB_HI && !pool.nslabs)
					highest[type] = ~0ULL;
			}
			sim_device(&dev, "dev", 0);
			for (int bits = 12; bits <= 64; bits++)
				for (int d = -1; d <= 1; d++) {
					u64 mask = DMA_BIT_MASK(bits) + (d < 0 ? -1 : 0);
					bool want = mask >= highest[0] ||
						    (with_hi && mask >= highest[1]);

					CHECK(subject_xen_ops->dma_supported(&dev, mask) == want,
					      "layout %d, mask 0x%llx, LO up to 0x%llx", layout,
					      mask, highest[0]);
				}
			CHECK(subject_xen_ops->dma_supported(&dev, highest[0]));
			CHECK(!subject_xen_ops->dma_supported(&dev, highest[0] - 1), "layout %d",
			      layout);
		}
}

/* A domain whose memory is where it says, as on Arm: what reaches HI, if there is one */
TEST(xen_required_mask_elsewhere, .needs_hi = true, .needs_64bit = true)
{
	static const char *const params[] = { "512", "512,,8M" };
	struct sim_machine machine;
	struct device dev;

	for (int with_hi = 0; with_hi < 2; with_hi++) {
		test_machine(&machine, 64 * MB, 64 * MB, 1);
		test_boot(&machine, params[with_hi]);
		subject_early(false, 0);
		subject_xen_init();
		sim_device(&dev, "dev", DMA_BIT_MASK(64));
		CHECK_EQ(subject_xen_ops->get_required_mask(&dev),
			 DMA_BIT_MASK(with_hi ? 33 : 32));
	}
}

/* Whether there is HI or not: what reaches all of machine memory, and the windows of dev */
TEST(xen_required_mask, .needs_hi = true, .needs_64bit = true)
{
	static const struct bus_dma_region windows[] = {
		{ .cpu_start = 0, .dma_start = 1ULL << 40, .size = 1ULL << 40 }, { 0 }
	};
	struct hyp_machine hyp = { .layout = HYP_IDENTITY,
				   .low_heap = 48 * MB,
				   .high_heap = 64 * MB };
	struct device dev;

	for (unsigned int bits = 31; bits <= 42; bits++)
		for (int d = -1; d <= 1; d++)
			for (int with_hi = 0; with_hi < 2; with_hi++) {
				u64 machine = (1ULL << bits) + d * (s64)PAGE_SIZE;
				u64 want = max(DMA_BIT_MASK(32), DMA_BIT_MASK(bits + (d > 0)));

				if (bits == 42 && d > 0)
					continue;
				hyp.machine = machine;
				test_boot_xen(64 * MB, &hyp, with_hi ? "512,,8M" : "512");
				subject_early(true, 0);
				sim_device(&dev, "dev", DMA_BIT_MASK(64));
				CHECK_EQ(subject_xen_ops->get_required_mask(&dev), want);
				dev.dma_range_map = windows;
				want = bits + (d > 0) > 40 ? ~0ULL : DMA_BIT_MASK(41);
				CHECK_EQ(subject_xen_ops->get_required_mask(&dev), want);
			}
	/* No pool at all: nothing is supported. */
	hyp.machine = 0;
	test_boot_xen(64 * MB, &hyp, "noforce");
	subject_early(true, 0);
	for (int bits = 1; bits < 64; bits++)
		CHECK(!subject_xen_ops->dma_supported(&dev, DMA_BIT_MASK(bits)));
}

/* One mapping of all that it carries; @n varies direction and what is written. */
static void map_and_sync(struct device *dev, phys_addr_t orig, size_t size, int n)
{
	struct mapping *map;

	map = model_map(dev, orig, size, n % 3, DMA_ATTR_NO_WARN);
	if (!map)
		return;
	model_check_segments(map);
	model_device_writes(map, 0, size, n);
	model_sync_for_cpu(map, size / 3, size - size / 3);
	model_cpu_writes(map, size / 2, size - size / 2, n);
	model_sync_for_device(map, size / 3, size - size / 3);
	model_unmap(map, 0);
}

/* All sizes and places; the large ones with few of these */
static void map_sizes(unsigned int bits, u32 align_mask, unsigned long boundary, phys_addr_t area)
{
	static const size_t sizes[] = { 1, 2048, 4096, 5000, 16384, 65536, 200000, 262144, 262145 };
	struct device dev;

	for (int s = 0; s < ARRAY_SIZE(sizes); s++)
		for (unsigned int offset = 0; offset < 20000; offset += 1917) {
			if (sizes[s] > 50000 && offset > 4000)
				continue;
			sim_device(&dev, "dev", DMA_BIT_MASK(bits));
			dev.min_align_mask = align_mask;
			dev.seg_boundary = boundary;
			dev.noncoherent = offset & 1;
			if (subject_xen_ops->dma_supported(&dev, DMA_BIT_MASK(bits)))
				map_and_sync(&dev, area + offset, sizes[s], s);
		}
}

/* All masks, sizes, boundaries and alignments, on machine addresses */
static void map_all(int layout, const char *param, u64 ram)
{
	static const u32 aligns[] = { 0, 0xfff, 0xffff };
	static const unsigned long boundaries[] = { ~0UL, 0x3ffff, 0xffff };
	struct hyp_machine hyp = { .layout = layout, .low_heap = 32 * MB, .high_heap = 32 * MB };
	phys_addr_t area;

	test_boot_xen(ram, &hyp, param);
	/* The buffer of LO begins at a page, and not at what its segments are. */
	low_memory(5 * PAGE_SIZE);
	subject_early(true, 0);
	subject_late_files();
	area = virt_to_phys(low_memory(2 * MB)) + 65536;
	model_begin(true);
	for (int bits = 28; bits <= 64; bits += test_stride())
		for (int a = 0; a < ARRAY_SIZE(aligns); a++)
			for (int b = 0; b < ARRAY_SIZE(boundaries); b++)
				if (aligns[a] <= boundaries[b])
					map_sizes(bits, aligns[a], boundaries[b], area);
	model_check(true);
	hyp_check();
}

TEST(xen_map_lo, .base_fails = true)
{
	for (int layout = 0; layout < HYP_LAYOUTS; layout++)
		map_all(layout, "512,1,force", 64 * MB);
}

TEST(xen_map_lo_unforced, .base_fails = true)
{
	for (int layout = 0; layout < HYP_LAYOUTS; layout++)
		map_all(layout, "512,1", 64 * MB);
}

TEST(xen_map_hi, .needs_hi = true, .needs_64bit = true)
{
	for (int layout = 0; layout < HYP_LAYOUTS; layout++) {
		map_all(layout, "512,1,1M,force", 5 * GB);
		map_all(layout, "1024,2,1M", 5 * GB);
	}
}

TEST(xen_map_sg)
{
	struct hyp_machine hyp = { .layout = HYP_SCATTERED,
				   .low_heap = 32 * MB,
				   .high_heap = 32 * MB };
	struct scatterlist sg[8];
	struct device dev;
	phys_addr_t area;
	u8 byte;

	test_boot_xen(64 * MB, &hyp, "512,1,force");
	subject_early(true, 0);
	area = virt_to_phys(low_memory(2 * MB));
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	for (int i = 0; i < 8; i++) {
		sg[i] = (struct scatterlist){ .page = pfn_to_page(PFN_DOWN(area) + 3 * i),
					      .offset = 8 * i,
					      .length = 6000 };
		byte = 100 + i;
		sim_copy_to_phys(area + 3 * i * PAGE_SIZE + 8 * i, &byte, 1);
	}
	CHECK_EQ(subject_xen_ops->map_sg(&dev, sg, 8, DMA_BIDIRECTIONAL, 0), 8);
	for (int i = 0; i < 8; i++) {
		CHECK_EQ(sg[i].dma_length, 6000);
		CHECK(sim_dma_read(&dev, sg[i].dma_address, &byte, 1));
		CHECK_EQ(byte, 100 + i);
		byte = 50 + i;
		CHECK(sim_dma_write(&dev, sg[i].dma_address + 5999, &byte, 1));
	}
	subject_xen_ops->sync_sg_for_cpu(&dev, sg, 8, DMA_BIDIRECTIONAL);
	for (int i = 0; i < 8; i++) {
		sim_copy_from_phys(&byte, area + 3 * i * PAGE_SIZE + 8 * i + 5999, 1);
		CHECK_EQ(byte, 50 + i);
		byte = 200 + i;
		sim_copy_to_phys(area + 3 * i * PAGE_SIZE + 8 * i, &byte, 1);
	}
	subject_xen_ops->sync_sg_for_device(&dev, sg, 8, DMA_BIDIRECTIONAL);
	for (int i = 0; i < 8; i++) {
		CHECK(sim_dma_read(&dev, sg[i].dma_address, &byte, 1));
		CHECK_EQ(byte, 200 + i);
	}
	subject_xen_ops->unmap_sg(&dev, sg, 8, DMA_BIDIRECTIONAL, 0);
	CHECK_EQ(subject_used(SWIOTLB_LO), 0);

	/* The last entry cannot be had: the others are given back. */
	sg[7].length = 2 * SEGMENT;
	CHECK_EQ(subject_xen_ops->map_sg(&dev, sg, 8, DMA_BIDIRECTIONAL, 0), -EIO);
	CHECK_EQ(sg[0].dma_length, 0);
	CHECK_EQ(subject_used(SWIOTLB_LO), 0);
	test_pools(NULL, true);
	CHECK_EQ(subject_xen_ops->max_mapping_size(&dev), SEGMENT);
}

/* A pool that the device does not reach: an error, and the slots are free again */
TEST(xen_out_of_reach)
{
	struct hyp_machine hyp = { .layout = HYP_SCATTERED,
				   .low_heap = 32 * MB,
				   .high_heap = 32 * MB };
	struct device dev;
	phys_addr_t area;

	test_boot_xen(64 * MB, &hyp, "512,1,force");
	subject_early(true, 0);
	area = virt_to_phys(low_memory(2 * MB));
	sim_device(&dev, "dev", DMA_BIT_MASK(20));
	for (int i = 0; i < 600; i++)
		CHECK_EQ(subject_xen_ops->map_page(&dev, pfn_to_page(PFN_DOWN(area)), 0, 4096,
						   DMA_TO_DEVICE, 0),
			 DMA_MAPPING_ERROR);
	CHECK_EQ(subject_used(SWIOTLB_LO), 0);
	test_pools(NULL, true);
}

extern unsigned int sim_foreign_syncs;

/* Pages of other domains: the device gets them as they are, and they are never a pool's. */
TEST(xen_foreign_pages)
{
	struct hyp_machine hyp = { .layout = HYP_IDENTITY,
				   .low_heap = 32 * MB,
				   .high_heap = 32 * MB };
	struct device dev;
	phys_addr_t area, theirs;
	dma_addr_t dma, other;

	for (int noncoherent = 0; noncoherent < 2; noncoherent++) {
		test_boot_xen(64 * MB, &hyp, "512,1");
		subject_early(true, 0);
		area = virt_to_phys(low_memory(2 * MB));
		sim_device(&dev, "dev", DMA_BIT_MASK(64));
		sim_kmalloc_bounces = true;
		other = subject_xen_ops->map_page(&dev, pfn_to_page(PFN_DOWN(area) + 100), 0, 8192,
						  DMA_TO_DEVICE, 0);
		sim_kmalloc_bounces = false;
		CHECK_EQ(subject_used(SWIOTLB_LO), 4);
		/* Their owner's numbers are, here, those of a bounce buffer that is in use. */
		theirs = hyp_pfn(PFN_DOWN(other));
		hyp_map_foreign(PFN_DOWN(area), 16, theirs - 2);
		dev.noncoherent = noncoherent;
		sim_foreign_syncs = 0;
		dma = subject_xen_ops->map_page(&dev, pfn_to_page(PFN_DOWN(area) + 2), 0, 4096,
						DMA_FROM_DEVICE, 0);
		CHECK_EQ(dma, PFN_PHYS(hyp_mfn(PFN_DOWN(area) + 2)));
		subject_xen_ops->sync_single_for_cpu(&dev, dma, 4096, DMA_FROM_DEVICE);
		subject_xen_ops->sync_single_for_device(&dev, dma, 4096, DMA_FROM_DEVICE);
		subject_xen_ops->unmap_page(&dev, dma, 4096, DMA_FROM_DEVICE, 0);
		CHECK_EQ(subject_used(SWIOTLB_LO), 4);
		CHECK_EQ(sim_foreign_syncs, noncoherent ? 4 : 0);

		/* Two of them are not contiguous: bounced, in both directions. */
		dma = subject_xen_ops->map_page(&dev, pfn_to_page(PFN_DOWN(area) + 4), 0, 8192,
						DMA_BIDIRECTIONAL, 0);
		CHECK(dma != DMA_MAPPING_ERROR && subject_used(SWIOTLB_LO) == 8);
		CHECK(sim_dma_write(&dev, dma + 5000, "grant", 5));
		subject_xen_ops->unmap_page(&dev, dma, 8192, DMA_BIDIRECTIONAL, 0);
		{
			char text[5];

			sim_copy_from_phys(text, area + 4 * PAGE_SIZE + 5000, 5);
			CHECK(!memcmp(text, "grant", 5));
		}
		subject_xen_ops->unmap_page(&dev, other, 8192, DMA_TO_DEVICE, 0);
		CHECK_EQ(subject_used(SWIOTLB_LO), 0);
		hyp_unmap_foreign(PFN_DOWN(area), 16);
		hyp_check();
	}
}

/* Coherent memory: within the mask, contiguous, and given back */
TEST(xen_coherent)
{
	for (int layout = 0; layout < HYP_LAYOUTS; layout++)
		for (int bits = 24; bits <= 64; bits += 8)
			for (size_t size = 1000; size < MB; size = size * 2 + 500) {
				struct hyp_machine hyp = { .layout = layout,
							   .low_heap = 32 * MB,
							   .high_heap = 32 * MB,
							   .domain_high = true };
				struct device dev;
				dma_addr_t dma;
				u64 before, low;
				void *virt;

				test_boot_xen(64 * MB, &hyp, "512,1");
				before = sim_allocated();
				low = hyp_heap_bytes(true);
				sim_device(&dev, "dev", DMA_BIT_MASK(bits));
				virt = subject_xen_ops->alloc(&dev, size, &dma, GFP_KERNEL, 0);
				if (!virt) {
					CHECK(size > 400000 || bits == 24, "%zu bytes for %d bits",
					      size, bits);
					CHECK_EQ(sim_allocated(), before);
					continue;
				}
				CHECK(dma + size - 1 <= DMA_BIT_MASK(bits));
				for (size_t at = 0; at < size; at += PAGE_SIZE)
					CHECK_EQ(PFN_PHYS(hyp_mfn(virt_to_pfn(virt + at))),
						 dma + at);
				subject_xen_ops->free(&dev, size, virt, dma, 0);
				CHECK_EQ(sim_allocated(), before);
				CHECK_EQ(hyp_heap_bytes(true), low);
				hyp_check();
				CHECK(!sim_warnings());
			}
}

TEST(xen_coherent_wrong)
{
	struct hyp_machine hyp = { .layout = HYP_SCATTERED,
				   .low_heap = 32 * MB,
				   .high_heap = 32 * MB };
	struct device dev;
	dma_addr_t dma;
	u64 before;
	void *virt;

	test_boot_xen(64 * MB, &hyp, "512,1");
	before = sim_allocated();
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	sim_fail(SIM_FAIL_PAGES, 1, 1);
	CHECK(!subject_xen_ops->alloc(&dev, 8192, &dma, GFP_KERNEL, 0));
	sim_fail(SIM_FAIL_EXCHANGE, 1, 1);
	CHECK(!subject_xen_ops->alloc(&dev, 8192, &dma, GFP_KERNEL, 0));
	CHECK_EQ(sim_allocated(), before);
	/* An address that cannot be the device's is refused, and said. */
	virt = subject_xen_ops->alloc(&dev, 8192, &dma, GFP_KERNEL, 0);
	CHECK(virt);
	subject_xen_ops->free(&dev, 8192, virt, SZ_4G, 0);
	CHECK(sim_warnings());
	sim_forgive_warnings();
	CHECK_EQ(sim_allocated(), before + 8192);
	subject_xen_ops->free(&dev, 8192, virt, dma, 0);
	CHECK_EQ(sim_allocated(), before);
}

/* What of a pool is used by whom: mappings of a page, in a buffer of pages of its own */
static dma_addr_t map_pages(struct device *dev, phys_addr_t orig, size_t size)
{
	return subject_xen_ops->map_page(dev, pfn_to_page(PFN_DOWN(orig)), 0, size,
					 DMA_BIDIRECTIONAL, 0);
}

static void unmap_and_look_at(struct device *dev, phys_addr_t orig, size_t size)
{
	dma_addr_t dma = subject_xen_ops->map_page(dev, pfn_to_page(PFN_DOWN(orig)),
						   orig & ~PAGE_MASK, size, DMA_BIDIRECTIONAL, 0);
	char text[6] = "";

	CHECK(dma != DMA_MAPPING_ERROR);
	CHECK(sim_dma_write(dev, dma + size - 6, "there", 6));
	subject_xen_ops->unmap_page(dev, dma, size, DMA_BIDIRECTIONAL, 0);
	sim_copy_from_phys(text, orig + size - 6, 6);
	CHECK(!strcmp(text, "there"), "'%s' came back", text);
}

static void unmap_and_look(struct device *dev, dma_addr_t dma, phys_addr_t orig, size_t size)
{
	char text[6] = "";

	CHECK(sim_dma_write(dev, dma + size - 6, "there", 6));
	subject_xen_ops->unmap_page(dev, dma, size, DMA_BIDIRECTIONAL, 0);
	sim_copy_from_phys(text, orig + size - 6, 6);
	CHECK(!strcmp(text, "there"), "'%s' came back", text);
}

/*
 * The domain was restored, and a segment lies elsewhere. Until that is looked at, a
 * mapping fails if it is not in one piece; from then on HI is out of use. LO is all that
 * its devices have, and what is in one piece of it goes on.
 */
TEST(xen_restored, .base_fails = true, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_SCATTERED,
				   .low_heap = 32 * MB,
				   .high_heap = 64 * MB };

	for (int type = 0; type < SUBJECT_TYPES; type++) {
		struct subject_pool pool;
		struct device dev, other;
		phys_addr_t orig, moved;
		unsigned long used;
		dma_addr_t first;
		u8 byte = 77;

		test_boot_xen(64 * MB, &hyp, "512,1,8M,force");
		subject_early(true, 0);
		sim_device(&dev, "dev", DMA_BIT_MASK(type == SWIOTLB_HI ? 64 : 32));
		sim_device(&other, "other", DMA_BIT_MASK(type == SWIOTLB_HI ? 32 : 64));
		orig = virt_to_phys(low_memory(2 * MB));
		pool = test_pool(type);
		/* Nothing was replaced: all stays in use, however often that is found. */
		hyp_resume();
		check_pool(SWIOTLB_LO);
		check_pool(SWIOTLB_HI);
		first = map_pages(&dev, orig, SEGMENT);
		CHECK(first != DMA_MAPPING_ERROR);

		/* The second segment is in pieces, and the next mapping is in it. */
		moved = pool.start + SEGMENT;
		hyp_replace(PFN_DOWN(moved), SEGMENT / PAGE_SIZE, type == SWIOTLB_HI ? 64 : 32);
		used = subject_used(type);
		sim_copy_to_phys(orig + MB, &byte, 1);
		CHECK_EQ(map_pages(&dev, orig + MB, 3 * PAGE_SIZE), DMA_MAPPING_ERROR);
		CHECK_EQ(sim_log_count("not contiguous or not aligned in machine memory"), 1);
		CHECK_EQ(subject_used(type), used);
		sim_copy_from_phys(&byte, orig + MB, 1);
		CHECK_EQ(byte, 77);

		hyp_resume();
		CHECK_EQ(sim_log_count("hi: out of use"), type == SWIOTLB_HI);
		CHECK_EQ(sim_log_count("lo: not contiguous"), type == SWIOTLB_LO);
		CHECK_EQ(subject_bus_limit(SWIOTLB_HI) == PHYS_ADDR_MAX, type == SWIOTLB_HI);
		CHECK(subject_bus_limit(SWIOTLB_LO) <= DMA_BIT_MASK(32));
		CHECK(!subject_uses_hi(&dev) && subject_uses_hi(&other) == (type == SWIOTLB_LO));
		CHECK(subject_xen_ops->dma_supported(&dev, DMA_BIT_MASK(32)));
		unmap_and_look(&dev, map_pages(&dev, orig + MB, 4096), orig + MB, 4096);
		unmap_and_look(&other, map_pages(&other, orig + MB, 8192), orig + MB, 8192);
		CHECK_EQ(subject_used(type), used);
		CHECK_EQ(subject_used(!type), 0);

		/* What was mapped before, where nothing was replaced, is unmapped as ever. */
		unmap_and_look(&dev, first, orig, SEGMENT);
		CHECK_EQ(subject_used(type), 0);
		test_pools(NULL, true);
		hyp_check();
	}
}

/* All of it lies elsewhere, but in one piece each: the noted range is the new one. */
TEST(xen_restored_elsewhere, .base_fails = true, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_SCATTERED,
				   .low_heap = 32 * MB,
				   .high_heap = 64 * MB };
	struct subject_pool before, after;
	dma_addr_t handle;
	struct device dev;

	test_boot_xen(64 * MB, &hyp, "512,1,8M,force");
	subject_early(true, 0);
	before = test_pool(SWIOTLB_LO);
	/* From the end of low memory, which is the domain's, to that of the heap */
	for (phys_addr_t p = before.start; p < before.end; p += SEGMENT)
		CHECK(!xen_create_contiguous_region(p, get_order(SEGMENT), 32, &handle));
	hyp_resume();
	after = test_pool(SWIOTLB_LO);
	CHECK(before.bus.end != after.bus.end);
	check_pool(SWIOTLB_LO);

	/* Devices of 32 bits do not reach all of it any more. */
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	CHECK(subject_xen_ops->dma_supported(&dev, DMA_BIT_MASK(32)));
	CHECK(!xen_create_contiguous_region(before.end - SEGMENT, get_order(SEGMENT), 64, &handle));
	CHECK(handle > DMA_BIT_MASK(32));
	hyp_resume();
	CHECK_EQ(subject_bus_limit(SWIOTLB_LO), handle + SEGMENT - 1);
	CHECK(!subject_xen_ops->dma_supported(&dev, DMA_BIT_MASK(32)));
	CHECK_EQ(sim_log_count("lo: not contiguous or out of reach"), 1);

	/* The same for HI: a pool that is well again is used again. */
	before = test_pool(SWIOTLB_HI);
	sim_device(&dev, "dev", DMA_BIT_MASK(64));
	hyp_replace(PFN_DOWN(before.start), 1, 64);
	hyp_resume();
	CHECK(!subject_uses_hi(&dev));
	CHECK(!xen_create_contiguous_region(before.start, get_order(SEGMENT), 64, &handle));
	hyp_resume();
	check_pool(SWIOTLB_HI);
	CHECK(subject_uses_hi(&dev));
	test_pools(NULL, true);
	hyp_check();
}

/*
 * LO is in pieces that are not aligned, as large as the mapping and more. What crosses a
 * boundary, or has other low bits than the buffer, is refused; nothing is said if so wished.
 */
TEST(xen_restored_unaligned, .base_fails = true, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_SCATTERED,
				   .low_heap = 32 * MB,
				   .high_heap = 64 * MB };
	unsigned int refused = 0, mapped = 0;
	struct subject_pool pool;
	struct device dev;
	dma_addr_t handle;
	phys_addr_t orig;

	test_boot_xen(64 * MB, &hyp, "512,1,force");
	subject_early(true, 0);
	pool = test_pool(SWIOTLB_LO);
	orig = virt_to_phys(low_memory(MB));
	/* 8 pages where they were, 32 in one piece, 24 where they were */
	for (phys_addr_t p = pool.start; p < pool.end; p += SEGMENT)
		CHECK(!xen_create_contiguous_region(p + 8 * PAGE_SIZE, 5, 32, &handle));
	hyp_resume();
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	for (int aligned = 0; aligned < 2; aligned++) {
		dev.seg_boundary = aligned ? 0xffffffff : 0xffff;
		dev.min_align_mask = aligned ? 0xffff : 0;
		for (int i = 0; i < 16; i++) {
			dma_addr_t dma = map_pages(&dev, orig, 10 * PAGE_SIZE);

			if (dma == DMA_MAPPING_ERROR) {
				refused++;
				continue;
			}
			mapped++;
			CHECK((dma & 0xffff) + 10 * PAGE_SIZE <= 0x10000 || aligned);
			CHECK(!((dma ^ orig) & dev.min_align_mask));
		}
	}
	CHECK(refused && mapped, "%u refused, %u mapped", refused, mapped);
	CHECK_EQ(sim_log_count("bounce buffer of 40960 bytes is not contiguous or not aligned"),
		 refused);
	do
		handle = subject_xen_ops->map_page(&dev, pfn_to_page(PFN_DOWN(orig)), 0,
						   10 * PAGE_SIZE, DMA_TO_DEVICE, DMA_ATTR_NO_WARN);
	while (handle != DMA_MAPPING_ERROR);
	CHECK_EQ(sim_log_count("bounce buffer of 40960 bytes"), refused);
}

static struct device low, wide;
static phys_addr_t recheck_orig;
static unsigned int recheck_maps;

/* Finds what was there, piece by piece, while devices that are active map. */
static bool recheck_slowly(phys_addr_t start, unsigned long nslabs, unsigned int bits,
			   struct range *bus)
{
	*bus = (struct range){ .start = U64_MAX };
	for (phys_addr_t p = start; p < start + nslabs * SLAB; p += SEGMENT) {
		dma_addr_t dma = swiotlb_map(&low, recheck_orig, 4096, DMA_TO_DEVICE, 0);

		CHECK(dma != DMA_MAPPING_ERROR);
		swiotlb_tbl_unmap_single(&low, dma, 4096, DMA_TO_DEVICE, 0);
		CHECK(!subject_uses_hi(&wide));
		recheck_maps++;
		bus->start = min_t(u64, bus->start, p);
		bus->end = max_t(u64, bus->end, p + SEGMENT - 1);
	}
	return true;
}

/* A suspend that was cancelled, or a test: nothing changes for those who map meanwhile. */
TEST(recheck_while_active, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine = { .cpus = 1,
		.ram = { { 0, 64 * MB }, { 64 * GB - 2 * MB, 64 * GB + 8 * MB } } };

	test_boot(&machine, "512,1,4M,force");
	subject_early(false, 0);
	sim_device(&low, "low", DMA_BIT_MASK(32));
	/* Reaches the beginning of HI, not all of it. */
	sim_device(&wide, "wide", DMA_BIT_MASK(36));
	CHECK(test_pool(SWIOTLB_HI).start < 64 * GB && test_pool(SWIOTLB_HI).end > 64 * GB);
	recheck_orig = sim_alloc_at(0, 64 * MB, MB, PAGE_SIZE);
	recheck_maps = 0;
	subject_recheck_pools(recheck_slowly);
	CHECK_EQ(recheck_maps, 4 + 16);
	test_pools(NULL, true);
}

static struct range elsewhere;

static bool recheck_elsewhere(phys_addr_t start, unsigned long nslabs, unsigned int bits,
			      struct range *bus)
{
	*bus = elsewhere;
	return true;
}

/* What is found is taken over, if only one end differs as well. */
TEST(recheck_one_end, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine;

	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, "512,1,force");
	subject_early(false, 0);
	for (int end = 0; end < 2; end++) {
		elsewhere = test_pool(SWIOTLB_LO).bus;
		if (end)
			elsewhere.end += GB;
		else
			elsewhere.start += SEGMENT;
		subject_recheck_pools(recheck_elsewhere);
		CHECK_EQ(test_pool(SWIOTLB_LO).bus.start, elsewhere.start);
		CHECK_EQ(test_pool(SWIOTLB_LO).bus.end, elsewhere.end);
	}
}

/*
 * A domain that never had HI, on another machine: all its pages lie apart from each other,
 * above 4 GiB. What a page can hold is bounced as before, by devices that reach it.
 */
TEST(xen_restored_in_pages, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_SCATTERED,
				   .low_heap = 32 * MB,
				   .high_heap = 256 * MB };
	struct subject_pool pool;
	struct device dev;
	phys_addr_t orig;

	test_boot_xen(64 * MB, &hyp, "512,1");
	subject_early(true, 0);
	pool = test_pool(SWIOTLB_LO);
	orig = virt_to_phys(low_memory(MB));
	hyp_replace(PFN_DOWN(pool.start), (pool.end - pool.start) / PAGE_SIZE, 64);
	hyp_replace(PFN_DOWN(orig), 4, 64);
	hyp_replace(PFN_DOWN(orig) + 1, 1, 64);
	hyp_resume();
	for (unsigned int bits = 32; bits <= 64; bits++) {
		sim_device(&dev, "dev", DMA_BIT_MASK(bits));
		CHECK_EQ(subject_xen_ops->dma_supported(&dev, DMA_BIT_MASK(bits)), bits > 32);
	}
	/* 1500 bytes across the border of two pages, as of a network card */
	unmap_and_look_at(&dev, orig + PAGE_SIZE - 700, 1500);
	CHECK_EQ(subject_used(SWIOTLB_LO), 0);
}

/* What the device sees decides, with the offset of its window. */
TEST(xen_supported_through_a_window, .base_fails = true)
{
	struct hyp_machine hyp = { .layout = HYP_IDENTITY, .low_heap = 32 * MB };
	struct bus_dma_region windows[2] = { { 0, GB, 2 * GB } };
	struct device dev;
	u64 limit;

	test_boot_xen(64 * MB, &hyp, "512,1");
	subject_early(true, 0);
	limit = subject_bus_limit(SWIOTLB_LO);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	CHECK(subject_xen_ops->dma_supported(&dev, limit));
	dev.dma_range_map = windows;
	CHECK(!subject_xen_ops->dma_supported(&dev, limit));
	CHECK(subject_xen_ops->dma_supported(&dev, limit + GB));
	CHECK(!subject_xen_ops->dma_supported(&dev, limit + GB - 1));
}
