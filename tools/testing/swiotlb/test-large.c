// SPDX-License-Identifier: GPL-2.0
/* Pools and sums of more than 4 GiB: nothing is cut to 32 bits on the way. */
#include "model.h"
#include <linux/swiotlb.h>

/* What lies more than 4 GiB above the begin of a pool is where it is, and not 4 GiB lower. */
TEST(large_map_beyond_4_gib_of_a_pool, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t orig;
	struct subject_pool hi;

	/* Not "dirty": all of that memory would be written to, and taken from the host. */
	test_machine(&machine, 512 * MB, 24 * GB, 8);
	test_boot(&machine, "512,8,16G,force");
#ifdef SUBJECT_HAS_LIST
	test_skip("the whole pool is cleared");
#endif
	subject_early(false, SWIOTLB_VERBOSE);
	CHECK(sim_log_has("(16384MB)"));
	hi = test_pool(SWIOTLB_HI);
	CHECK_EQ(hi.nareas, 8);
	subject_forbid_growth(true);
	orig = sim_alloc_at(0, 512 * MB, MB, PAGE_SIZE);
	sim_device(&dev, "dev", DMA_BIT_MASK(64));
	/* Padding before and behind, so that what is cleared is seen */
	dev.min_align_mask = 0xfff;
	for (int cpu = 0; cpu < 8; cpu++) {
		phys_addr_t area = hi.start + cpu * 2 * GB;
		phys_addr_t from = orig + cpu * 64 * 1024 + 512;
		u8 page[4096], byte = 0x40 + cpu;
		phys_addr_t tlb;

		sim_use_cpu(cpu);
		memset(page, SIM_SECRET, sizeof(page));
		for (int i = 0; i < 4; i++)
			sim_copy_to_phys(area + i * 4096, page, sizeof(page));
		for (int i = 0; i < 6000; i++) {
			u8 have = byte + 8;

			sim_copy_to_phys(from + i, &have, 1);
		}
		tlb = swiotlb_tbl_map_single(&dev, from, 6000, 0, DMA_BIDIRECTIONAL, 0);
		CHECK(tlb >= area && tlb < area + 2 * GB, "CPU %d: 0x%llx", cpu, tlb);
		sim_copy_from_phys(page, tlb, 4096);
		for (int i = 0; i < 4096; i++)
			CHECK_EQ(page[i], (u8)(byte + 8));
		sim_copy_from_phys(page, tlb - 512, 512);
		CHECK(!memchr(page, SIM_SECRET, 512), "CPU %d: before it", cpu);
		sim_copy_from_phys(page, tlb + 6000, 8192 - 512 - 6000);
		CHECK(!memchr(page, SIM_SECRET, 8192 - 512 - 6000), "CPU %d: behind it", cpu);
		/* The device writes; a sync and an unmap bring it */
		sim_copy_to_phys(tlb + 5000, &byte, 1);
		swiotlb_sync_single_for_cpu(&dev, tlb + 4096, 1904, DMA_BIDIRECTIONAL);
		sim_copy_from_phys(page, from + 5000, 1);
		CHECK_EQ(page[0], byte);
		sim_copy_to_phys(tlb + 1, &byte, 1);
		CHECK_EQ(subject_used(SWIOTLB_HI), 4);
		CHECK(!subject_slot_free(&hi, (tlb - hi.start) / SLAB));
		swiotlb_tbl_unmap_single(&dev, tlb, 6000, DMA_BIDIRECTIONAL, 0);
		sim_copy_from_phys(page, from + 1, 1);
		CHECK_EQ(page[0], byte);
		CHECK_EQ(subject_used(SWIOTLB_HI), 0);
		CHECK(subject_slot_free(&hi, (tlb - hi.start) / SLAB));
	}
	sim_use_cpu(0);
}

/* Bytes are counted beyond 4 GiB, in pools that are there for good, too. */
TEST(large_sum_of_bytes, .needs_hi = true)
{
	struct sim_machine machine;
	const unsigned int n = 4 * GB / SEGMENT + 1;
	struct device dev;
	phys_addr_t orig;
	dma_addr_t dma;
	u64 val;

	test_machine(&machine, 64 * MB, 0, 1);
	test_boot(&machine, "512,1,force");
	subject_early(false, 0);
	subject_late_files();
	if (sim_file_get("/swiotlb/io_tlb_used", &val))
		test_skip("there are no files");
	subject_forbid_growth(true);
	orig = sim_alloc_at(0, 64 * MB, SEGMENT, PAGE_SIZE);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	for (unsigned int i = 0; i < n; i++) {
		dma = swiotlb_map(&dev, orig, SEGMENT, DMA_TO_DEVICE, 0);
		CHECK(dma != DMA_MAPPING_ERROR);
		swiotlb_tbl_unmap_single(&dev, dma, SEGMENT, DMA_TO_DEVICE, 0);
	}
	CHECK(subject_bounced_bytes(SWIOTLB_LO) == n * SEGMENT, "%llu",
	      subject_bounced_bytes(SWIOTLB_LO));
}

/* Of more than 4 GiB all is given back. */
TEST(large_exit, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine;

	test_machine(&machine, 512 * MB, 12 * GB, 2);
	test_boot(&machine, "512,2,6G");
#ifdef SUBJECT_HAS_LIST
	test_skip("the whole pool is cleared");
#endif
	subject_early(false, 0);
	CHECK_EQ(subject_nslabs(SWIOTLB_HI), 6 * GB / SLAB);
	CHECK_EQ(test_pool(SWIOTLB_HI).end - test_pool(SWIOTLB_HI).start, 6 * GB);
	swiotlb_exit();
	CHECK_EQ(sim_allocated(), 0);
}

/*
 * What lies more than 4 GiB behind the begin of HI is exchanged, and looked at again, as well.
 * A page in each GiB is elsewhere, so that there is no long run; only its segment is exchanged,
 * because an exchange takes memory from the host.
 */
TEST(large_xen_hi_of_more_than_4_gib, .needs_hi = true, .needs_64bit = true)
{
	struct hyp_machine hyp = { .layout = HYP_IDENTITY,
				   .low_heap = 64 * MB,
				   .high_heap = 64 * MB };
	struct subject_pool hi;
	u64 rest;
	struct device dev;

	test_boot_xen(12 * GB, &hyp, "512,2,5G,force");
	for (u64 at = 4 * GB; at < 12 * GB; at += GB)
		hyp_replace(PFN_DOWN(at + 512 * MB), 1, 64);
	/* With the bookkeeping of LO, which comes before it, a segment: so HI is aligned. */
	rest = SEGMENT - 2 * PAGE_SIZE;
	CHECK(sim_alloc_at(12 * GB - rest, 12 * GB, rest, PAGE_SIZE));
	subject_early(true, SWIOTLB_VERBOSE);
	hi = test_pool(SWIOTLB_HI);
	CHECK_EQ(hi.nslabs, 5 * GB / SLAB);
	CHECK_EQ(hi.start % SEGMENT, 0);
	CHECK(sim_log_has(" of 20480 segments") && !sim_log_has("exchanged 0 of "));
	for (phys_addr_t p = hi.start; p < hi.end; p += PAGE_SIZE) {
		u64 mfn = hyp_mfn(PFN_DOWN(p));

		CHECK(PFN_PHYS(mfn) >= SZ_4G);
		CHECK((p - hi.start) % SEGMENT ? mfn == hyp_mfn(PFN_DOWN(p) - 1) + 1 :
						 !(PFN_PHYS(mfn) % SEGMENT),
		      "0x%llx", p);
	}
	sim_device(&dev, "dev", DMA_BIT_MASK(64));
	CHECK(subject_uses_hi(&dev));
	/* The last page elsewhere: not in one piece with the rest of its segment any more */
	hyp_replace(PFN_DOWN(hi.end) - 1, 1, 64);
	hyp_resume();
	CHECK(!subject_uses_hi(&dev));
}
