// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of xen-swiotlb. Included by swiotlb-xen.c, whose static functions
 * are what there is to test.
 *
 * They look at real machine addresses, so that they need a Xen PV domain that
 * may own contiguous memory, dom0 say, and skip elsewhere. The suite
 * "swiotlb-xen" works on the pools of the running kernel and through the DMA
 * API, "swiotlb-xen-init" on what is only there during boot: the fixup.
 *
 * The hypervisor may have memory left, with dom0_mem=, or hardly any. What it
 * cannot give has to fail for that reason, and without a trace.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <xen/xen.h>

#define TEST_SEGMENT_BYTES	((size_t)IO_TLB_SEGSIZE << IO_TLB_SHIFT)
#define TEST_SEGMENT_ORDER	get_order(TEST_SEGMENT_BYTES)

static int swiotlb_xen_test_init(struct kunit *test)
{
	struct device *dev;

	if (!xen_pv_domain())
		kunit_skip(test, "no Xen PV domain");
	dev = kunit_device_register(test, "swiotlb-xen-test");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	dev->dma_mask = &dev->coherent_dma_mask;
	dev->coherent_dma_mask = DMA_BIT_MASK(64);
	dev->bus_dma_limit = 0;
	if (get_dma_ops(dev) != &xen_swiotlb_dma_ops)
		kunit_skip(test, "devices do not use the Xen DMA operations");
	test->priv = dev;
	return 0;
}

static struct io_tlb_pool *test_pool(struct kunit *test, int type)
{
	struct device *dev = test->priv;

	return &dev->dma_io_tlb_mem->defpool[type];
}

/* Contiguous in machine memory, and naturally aligned there? Page by page. */
static bool test_segment_whole(phys_addr_t p, u64 *first)
{
	*first = xen_phys_to_bus(NULL, p);
	for (size_t o = 0; o < TEST_SEGMENT_BYTES; o += XEN_PAGE_SIZE) {
		if (xen_phys_to_bus(NULL, p + o) != *first + o)
			return false;
	}
	return !(*first % TEST_SEGMENT_BYTES);
}

/* And reached with so many address bits? */
static bool test_segment_fits(phys_addr_t p, unsigned int bits)
{
	u64 first;

	return test_segment_whole(p, &first) &&
	       first + TEST_SEGMENT_BYTES - 1 <= DMA_BIT_MASK(bits);
}

/* Lowest and highest machine address of segments; that they are what they must be. */
static struct range test_segments(struct kunit *test, phys_addr_t p,
				  unsigned long nslabs, bool low)
{
	struct range bus = { .start = U64_MAX };
	unsigned long wrong = 0;
	u64 first;

	for (unsigned long i = 0; i < nslabs; i += IO_TLB_SEGSIZE) {
		phys_addr_t seg = p + (i << IO_TLB_SHIFT);

		KUNIT_EXPECT_TRUE_MSG(test, test_segment_whole(seg, &first),
				      "segment at %pa, machine %llx", &seg,
				      first);
		bus.start = min(bus.start, first);
		bus.end = max(bus.end, first + TEST_SEGMENT_BYTES - 1);
		/* It is ours, and the way back leads to where we came from. */
		for (size_t o = 0; o < TEST_SEGMENT_BYTES; o += XEN_PAGE_SIZE)
			wrong += xen_bus_to_phys(NULL, first + o) != seg + o;
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	if (low)
		KUNIT_EXPECT_LE(test, bus.end, DMA_BIT_MASK(32));
	else
		KUNIT_EXPECT_GT(test, bus.start, DMA_BIT_MASK(32));
	return bus;
}

static void swiotlb_xen_test_pools(struct kunit *test)
{
	int pools = 0;

	for (int type = 0; type < SWIOTLB_MAX; type++) {
		struct io_tlb_pool *pool = test_pool(test, type);
		struct range bus;

		if (!pool->nslabs)
			continue;
		pools++;
		bus = test_segments(test, pool->start, pool->nslabs,
				    type == SWIOTLB_LO);
		KUNIT_EXPECT_EQ(test, pool->bus.start, bus.start);
		KUNIT_EXPECT_EQ(test, pool->bus.end, bus.end);
		KUNIT_EXPECT_EQ(test, default_swiotlb_bus_limit(type), bus.end);
	}
	if (!pools)
		kunit_skip(test, "the kernel runs without pools");
}

/* Highest machine address of a pool, 0 if there is none; not as it is noted. */
static u64 test_pool_end(struct kunit *test, int type)
{
	struct io_tlb_pool *pool = test_pool(test, type);

	if (!pool->nslabs)
		return 0;
	return test_segments(test, pool->start, pool->nslabs,
			     type == SWIOTLB_LO).end;
}

static void swiotlb_xen_test_masks(struct kunit *test)
{
	struct device *dev = test->priv;
	u64 lo = test_pool_end(test, SWIOTLB_LO);
	u64 hi = test_pool_end(test, SWIOTLB_HI);
	u64 least = min_not_zero(lo, hi);

	if (!least)
		kunit_skip(test, "the kernel runs without pools");

	for (unsigned int bits = 24; bits <= 64; bits++) {
		u64 mask = DMA_BIT_MASK(bits);
		bool reached = mask >= least;

		KUNIT_EXPECT_EQ_MSG(test, xen_swiotlb_dma_supported(dev, mask),
				    reached, "%u bits", bits);
		KUNIT_EXPECT_EQ_MSG(test, !dma_set_mask(dev, mask), reached,
				    "%u bits", bits);
		KUNIT_EXPECT_EQ_MSG(test, !dma_set_coherent_mask(dev, mask),
				    reached, "%u bits", bits);
	}
	KUNIT_EXPECT_TRUE(test, xen_swiotlb_dma_supported(dev, least));
	KUNIT_EXPECT_FALSE(test, xen_swiotlb_dma_supported(dev, least - 1));
}

/* What reaches all of machine memory, whatever there is of pools */
static void swiotlb_xen_test_required_mask(struct kunit *test)
{
	u64 frames = HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL);
	u64 mask = dma_get_required_mask(test->priv), highest = 0;

	KUNIT_EXPECT_EQ(test, mask,
			max(DMA_BIT_MASK(32),
			    DMA_BIT_MASK(fls64((frames << XEN_PAGE_SHIFT) - 1))));
	for (unsigned long pfn = 0; pfn < max_pfn; pfn++)
		if (pfn_valid(pfn) && pfn_to_mfn(pfn) != INVALID_P2M_ENTRY)
			highest = max(highest, xen_phys_to_bus(NULL, PFN_PHYS(pfn)));
	KUNIT_EXPECT_GT(test, highest, 0);
	KUNIT_EXPECT_LE(test, highest | ~XEN_PAGE_MASK, mask);
	KUNIT_EXPECT_LT(test, highest, frames << XEN_PAGE_SHIFT);
}

/* A suspend that was cancelled: all pools are as they were. */
static void swiotlb_xen_test_resume(struct kunit *test)
{
	struct device *dev = test->priv;
	struct io_tlb_mem *mem = dev->dma_io_tlb_mem;

	for (int type = 0; type < SWIOTLB_MAX; type++) {
		struct io_tlb_pool *pool = test_pool(test, type);
		u64 limit = default_swiotlb_bus_limit(type);
		struct range bus = pool->bus;

		xen_swiotlb_resume(NULL, 0, NULL);
		KUNIT_EXPECT_EQ(test, pool->bus.start, bus.start);
		KUNIT_EXPECT_EQ(test, pool->bus.end, bus.end);
		KUNIT_EXPECT_EQ(test, mem->nslabs[type], pool->nslabs);
		KUNIT_EXPECT_EQ(test, default_swiotlb_bus_limit(type), limit);
	}
}

/*
 * Slots of both pools in use, for those who have to leave as many as there were.
 * They are announced in batches: the sum can be wrong by this much for each area.
 */
#define TEST_BATCH		64

static long test_used(struct kunit *test)
{
	long used = 0;
#ifdef CONFIG_DEBUG_FS
	struct device *dev = test->priv;

	for (int type = 0; type < SWIOTLB_MAX; type++)
		used += atomic_long_read(&dev->dma_io_tlb_mem->total_used[type]);
#endif
	return used;
}

/* So many mappings show that each leaves a slot behind. */
static int test_enough(struct kunit *test)
{
	int slack = 0;

	for (int type = 0; type < SWIOTLB_MAX; type++)
		slack += 2 * TEST_BATCH * test_pool(test, type)->nareas;
	return slack + 1;
}

static void test_expect_used(struct kunit *test, long used)
{
	KUNIT_EXPECT_LT(test, abs(test_used(test) - used), test_enough(test));
}

static void test_free_pages(void *buf)
{
	free_pages((unsigned long)buf, TEST_SEGMENT_ORDER);
}

KUNIT_DEFINE_ACTION_WRAPPER(test_free_pages_action, test_free_pages, void *);

/*
 * A buffer as large as a segment, no two neighbours of whose pages are
 * neighbours in machine memory: it has to be bounced for any device.
 */
static u8 *test_scattered(struct kunit *test)
{
	void *buf = (void *)__get_free_pages(GFP_KERNEL, TEST_SEGMENT_ORDER);
	phys_addr_t p;
	dma_addr_t bus;
	int rc;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	rc = kunit_add_action_or_reset(test, test_free_pages_action, buf);
	KUNIT_ASSERT_EQ(test, rc, 0);
	p = virt_to_phys(buf);
	for (size_t o = 0; o < TEST_SEGMENT_BYTES; o += 2 * PAGE_SIZE) {
		rc = xen_create_contiguous_region(p + o, 0, 64, &bus);
		KUNIT_ASSERT_EQ(test, rc, 0);
	}
	for (size_t o = 0; o < TEST_SEGMENT_BYTES - PAGE_SIZE; o += PAGE_SIZE) {
		rc = range_straddles_page_boundary(p + o, 2 * PAGE_SIZE);
		KUNIT_ASSERT_TRUE(test, rc);
	}
	return buf;
}

static u8 test_byte(size_t i, u8 seed)
{
	return i * 7 + (i >> 8) + seed;
}

static void test_fill(u8 *buf, size_t bytes, u8 seed)
{
	for (size_t i = 0; i < bytes; i++)
		buf[i] = test_byte(i, seed);
}

static size_t test_differing(const u8 *buf, size_t from, size_t to, u8 seed)
{
	size_t wrong = 0;

	for (size_t i = from; i < to; i++)
		wrong += buf[i] != test_byte(i, seed);
	return wrong;
}

/*
 * What a device finds at a bus address, as far as this domain can tell: each
 * page of it is ours, it is within reach, and lies in one piece.
 */
static u8 *test_device_view(struct kunit *test, dma_addr_t addr, size_t bytes)
{
	struct device *dev = test->priv;
	phys_addr_t p = xen_dma_to_phys(dev, addr);
	unsigned long wrong = 0;

	KUNIT_EXPECT_LE(test, addr + bytes - 1, dma_get_mask(dev));
	/* The first byte, then the first of each page */
	for (size_t o = 0; o < bytes;
	     o += XEN_PAGE_SIZE - xen_offset_in_page(p + o)) {
		wrong += xen_dma_to_phys(dev, addr + o) != p + o;
		wrong += xen_phys_to_dma(dev, p + o) != addr + o;
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	return phys_to_virt(p);
}

static void test_map_and_unmap(struct kunit *test, u8 *buf, size_t offset,
			       size_t bytes, int type)
{
	struct device *dev = test->priv;
	struct io_tlb_pool *pool;
	dma_addr_t addr;
	u8 *view;

	test_fill(buf, TEST_SEGMENT_BYTES, 1);
	addr = dma_map_single(dev, buf + offset, bytes, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	view = test_device_view(test, addr, bytes);
	pool = xen_swiotlb_find_pool(dev, addr);
	if (offset_in_page(offset) + bytes > PAGE_SIZE)
		KUNIT_EXPECT_NOT_NULL(test, pool);
	if (pool)
		KUNIT_EXPECT_EQ(test, (int)pool->type, type);
	else
		KUNIT_EXPECT_PTR_EQ(test, view, buf + offset);
	KUNIT_EXPECT_EQ(test, 0, memcmp(view, buf + offset, bytes));

	/* The device writes all of it, and the CPU looks at a part. */
	for (size_t i = 0; i < bytes; i++)
		view[i] = test_byte(offset + i, 2);
	dma_sync_single_for_cpu(dev, addr + bytes / 4, bytes / 2,
				DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 0,
			test_differing(buf, offset + bytes / 4,
				       offset + bytes / 4 + bytes / 2, 2));
	if (pool) {
		KUNIT_EXPECT_EQ(test, 0,
				test_differing(buf, offset,
					       offset + bytes / 4, 1));
		/* And gives that part back with something else. */
		memset(buf + offset + bytes / 4, 0xa5, bytes / 2);
		dma_sync_single_for_device(dev, addr + bytes / 4, bytes / 2,
					   DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_EQ(test, 0,
				memcmp(view + bytes / 4,
				       buf + offset + bytes / 4, bytes / 2));
		for (size_t i = 0; i < bytes; i++)
			view[i] = test_byte(offset + i, 2);
	}
	dma_unmap_single(dev, addr, bytes, DMA_BIDIRECTIONAL);

	KUNIT_EXPECT_EQ(test, 0, test_differing(buf, 0, offset, 1));
	KUNIT_EXPECT_EQ(test, 0,
			test_differing(buf, offset, offset + bytes, 2));
	KUNIT_EXPECT_EQ(test, 0, test_differing(buf, offset + bytes,
						TEST_SEGMENT_BYTES, 1));
}

static void swiotlb_xen_test_map(struct kunit *test)
{
	static const size_t sizes[] = { 1, 512, 4096, 5000, SZ_64K, SZ_128K };
	static const size_t offsets[] = { 0, 2048, 4095, 40000 };
	u64 lo = test_pool_end(test, SWIOTLB_LO);
	u64 hi = test_pool_end(test, SWIOTLB_HI);
	const u64 masks[] = { lo, DMA_BIT_MASK(32), hi, DMA_BIT_MASK(64) };
	struct device *dev = test->priv;
	long used = test_used(test);
	u8 *buf = test_scattered(test);

	if (!lo && !hi)
		kunit_skip(test, "the kernel runs without pools");

	for (int m = 0; m < ARRAY_SIZE(masks); m++) {
		int type = hi && masks[m] >= hi ? SWIOTLB_HI : SWIOTLB_LO;

		if (!masks[m] || (type == SWIOTLB_LO && !lo))
			continue;
		KUNIT_ASSERT_EQ(test, 0, dma_set_mask(dev, masks[m]));
		for (int s = 0; s < ARRAY_SIZE(sizes); s++) {
			for (int o = 0; o < ARRAY_SIZE(offsets); o++)
				test_map_and_unmap(test, buf, offsets[o],
						   sizes[s], type);
		}
		for (int n = test_enough(test); n; n--) {
			dma_addr_t addr = dma_map_single(dev, buf + 4095, 2,
							 DMA_TO_DEVICE);

			KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
			dma_unmap_single(dev, addr, 2, DMA_TO_DEVICE);
		}
	}
	test_expect_used(test, used);
}

static void swiotlb_xen_test_sg(struct kunit *test)
{
	static const size_t starts[] = { 100, SZ_8K, SZ_64K };
	static const size_t sizes[] = { 5000, 512, SZ_64K };
	struct device *dev = test->priv;
	long used = test_used(test);
	struct scatterlist sgl[3];
	u8 *buf = test_scattered(test);

	if (!test_pool_end(test, SWIOTLB_LO))
		kunit_skip(test, "the kernel runs without LO");

	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(dev, DMA_BIT_MASK(32)));
	sg_init_table(sgl, ARRAY_SIZE(sgl));
	for (int i = 0; i < ARRAY_SIZE(sgl); i++)
		sg_set_buf(&sgl[i], buf + starts[i], sizes[i]);
	test_fill(buf, TEST_SEGMENT_BYTES, 3);
	KUNIT_ASSERT_EQ(test, (int)ARRAY_SIZE(sgl),
			dma_map_sg(dev, sgl, ARRAY_SIZE(sgl), DMA_TO_DEVICE));
	for (int i = 0; i < ARRAY_SIZE(sgl); i++) {
		u8 *view = test_device_view(test, sg_dma_address(&sgl[i]),
					    sg_dma_len(&sgl[i]));

		KUNIT_EXPECT_EQ(test, sizes[i], sg_dma_len(&sgl[i]));
		KUNIT_EXPECT_EQ(test, 0,
				memcmp(view, buf + starts[i], sizes[i]));
	}
	dma_unmap_sg(dev, sgl, ARRAY_SIZE(sgl), DMA_TO_DEVICE);
	test_expect_used(test, used);

	/* When the last does not fit, the first two are given back. */
	sgl[2].length = TEST_SEGMENT_BYTES + 1;
	for (int n = test_enough(test); n; n--)
		KUNIT_ASSERT_EQ(test, 0,
				dma_map_sg_attrs(dev, sgl, ARRAY_SIZE(sgl),
						 DMA_TO_DEVICE,
						 DMA_ATTR_NO_WARN));
	test_expect_used(test, used);
}

/* Coherent memory of so many bytes, checked, and given back; false if there is none */
static bool test_coherent(struct kunit *test, size_t bytes)
{
	struct device *dev = test->priv;
	dma_addr_t addr;
	phys_addr_t p;
	bool remapped;
	u8 *buf;

	buf = dma_alloc_coherent(dev, bytes, &addr, GFP_KERNEL | __GFP_NOWARN);
	if (!buf)
		return false;
	KUNIT_EXPECT_LE(test, addr + bytes - 1, dev->coherent_dma_mask);
	KUNIT_EXPECT_EQ(test, 0, addr % (PAGE_SIZE << get_order(bytes)));
	KUNIT_EXPECT_PTR_EQ(test, buf, test_device_view(test, addr, bytes));
	KUNIT_EXPECT_NULL(test, memchr_inv(buf, 0, bytes));
	memset(buf, 0xff, bytes);
	p = virt_to_phys(buf);
	remapped = PageXenRemapped(virt_to_page(buf));
	dma_free_coherent(dev, bytes, buf, addr);
	/* The hypervisor has it again, and the page allocator something else. */
	if (remapped)
		KUNIT_EXPECT_NE(test, xen_phys_to_bus(dev, p), addr);
	return true;
}

static void swiotlb_xen_test_coherent(struct kunit *test)
{
	static const size_t sizes[] = { 1, SZ_4K, 3 * SZ_4K, SZ_256K };
	struct device *dev = test->priv;
	unsigned int least = 0;
	unsigned long n;

	for (unsigned int bits = 64; bits >= 20; bits--) {
		bool all = true;

		dev->coherent_dma_mask = DMA_BIT_MASK(bits);
		for (int s = 0; s < ARRAY_SIZE(sizes); s++)
			all &= test_coherent(test, sizes[s]);
		if (all)
			least = bits;
		else
			KUNIT_EXPECT_LT(test, bits, 32);
		/* Xen uses the first MiB for itself. */
		if (bits == 20)
			KUNIT_EXPECT_FALSE(test, all);
	}
	KUNIT_ASSERT_NE(test, least, 0);

	/* Twice as much as there can be, if that is little enough to try it */
	kunit_info(test, "%u bits are enough\n", least);
	n = min(2 * (DMA_BIT_MASK(least) + 1) / SZ_256K, 2048);
	dev->coherent_dma_mask = DMA_BIT_MASK(least);
	while (n--)
		KUNIT_ASSERT_TRUE(test, test_coherent(test, SZ_256K));
}

static struct kunit_case swiotlb_xen_test_cases[] = {
	KUNIT_CASE(swiotlb_xen_test_pools),
	KUNIT_CASE(swiotlb_xen_test_masks),
	KUNIT_CASE(swiotlb_xen_test_required_mask),
	KUNIT_CASE(swiotlb_xen_test_resume),
	KUNIT_CASE(swiotlb_xen_test_map),
	KUNIT_CASE(swiotlb_xen_test_sg),
	KUNIT_CASE_SLOW(swiotlb_xen_test_coherent),
	{}
};

static struct kunit_suite swiotlb_xen_test_suite = {
	.name = "swiotlb-xen",
	.init = swiotlb_xen_test_init,
	.test_cases = swiotlb_xen_test_cases,
};

kunit_test_suites(&swiotlb_xen_test_suite);

/* The buffer of the fixup tests: half of it is the smallest pool there may be. */
#define TEST_BUF_NSLABS		(2UL * IO_TLB_MIN_SLABS)
#define TEST_BUF_SEGMENTS	((unsigned int)(TEST_BUF_NSLABS / IO_TLB_SEGSIZE))
#define TEST_BUF_BYTES		(TEST_BUF_NSLABS << IO_TLB_SHIFT)

struct test_frames {
	u64 bus[TEST_BUF_BYTES / XEN_PAGE_SIZE];
};

static void __init test_note_frames(void *buf, struct test_frames *frames)
{
	for (size_t i = 0; i < ARRAY_SIZE(frames->bus); i++)
		frames->bus[i] = xen_phys_to_bus(NULL, virt_to_phys(buf) +
						       i * XEN_PAGE_SIZE);
}

/* How many of the frames of segments @from to @to have another machine address */
static size_t __init test_moved(void *buf, const struct test_frames *frames,
				size_t from, size_t to)
{
	size_t per_segment = TEST_SEGMENT_BYTES / XEN_PAGE_SIZE, moved = 0;

	for (size_t i = from * per_segment; i < to * per_segment; i++)
		moved += frames->bus[i] !=
			 xen_phys_to_bus(NULL, virt_to_phys(buf) +
					       i * XEN_PAGE_SIZE);
	return moved;
}

/*
 * All memory of some width, of up to 32 bits, that Xen has left is taken here, a
 * segment at a time, to learn how much that is and to make the fixup fail for the
 * want of it. What is given for it must not be such memory: dom0 may own a lot,
 * and it is held back.
 */
#define TEST_TAKEN_MAX		8192

struct test_taken {
	void *buf[TEST_TAKEN_MAX];
	void *held[TEST_TAKEN_MAX];
	unsigned int n, nheld;
};

static void __init test_give_back(struct test_taken *taken, unsigned int n)
{
	while (n--) {
		void *buf = taken->buf[--taken->n];

		xen_destroy_contiguous_region(virt_to_phys(buf),
					      TEST_SEGMENT_ORDER);
		test_free_pages(buf);
	}
}

static void __init test_give_back_all(struct test_taken *taken)
{
	test_give_back(taken, taken->n);
	while (taken->nheld)
		test_free_pages(taken->held[--taken->nheld]);
}

static bool __init test_any_page_fits(void *buf, unsigned int bits)
{
	for (size_t o = 0; o < TEST_SEGMENT_BYTES; o += XEN_PAGE_SIZE) {
		if (xen_phys_to_bus(NULL, virt_to_phys(buf) + o) <=
		    DMA_BIT_MASK(bits))
			return true;
	}
	return false;
}

/* Returns how many segments there were, or TEST_TAKEN_MAX if ours run out. */
static unsigned int __init test_take(struct test_taken *taken,
				     unsigned int bits)
{
	unsigned int before = taken->n;

	while (taken->n < TEST_TAKEN_MAX && taken->nheld < TEST_TAKEN_MAX) {
		void *buf = (void *)__get_free_pages(GFP_KERNEL | __GFP_NORETRY |
						     __GFP_NOWARN,
						     TEST_SEGMENT_ORDER);
		dma_addr_t bus;

		if (!buf)
			return TEST_TAKEN_MAX;
		if (test_any_page_fits(buf, bits)) {
			taken->held[taken->nheld++] = buf;
			continue;
		}
		if (xen_create_contiguous_region(virt_to_phys(buf),
						 TEST_SEGMENT_ORDER, bits,
						 &bus)) {
			test_free_pages(buf);
			return taken->n - before;
		}
		taken->buf[taken->n++] = buf;
	}
	return TEST_TAKEN_MAX;
}

/* How many segments of the buffer are as the fixup has to leave them */
static unsigned int __init test_fit(void *buf, unsigned int bits)
{
	unsigned int fit = 0;

	for (unsigned int s = 0; s < TEST_BUF_SEGMENTS; s++) {
		phys_addr_t p = virt_to_phys(buf) + s * TEST_SEGMENT_BYTES;

		fit += test_segment_fits(p, bits) &&
		       (bits <= 32 ||
			xen_phys_to_bus(NULL, p) > DMA_BIT_MASK(32));
	}
	return fit;
}

/* May the fixup have failed for segment @s, of devices of more than 32 bits? */
static void __init test_none_above_4g(struct kunit *test, void *buf,
				      unsigned int s)
{
	phys_addr_t p = virt_to_phys(buf) + s * TEST_SEGMENT_BYTES;
	dma_addr_t bus;

	if (xen_create_contiguous_region(p, TEST_SEGMENT_ORDER, 64, &bus))
		return;
	KUNIT_EXPECT_LE(test, bus, DMA_BIT_MASK(32));
	xen_destroy_contiguous_region(p, TEST_SEGMENT_ORDER);
}

/*
 * Fix the buffer up, and look at all of it. Returns the highest machine address,
 * or 0 if the fixup failed. It may only do so if Xen has too little, and then has
 * to leave a buffer whose kept part is in order.
 */
static u64 __init test_fixup(struct kunit *test, void *buf, unsigned int bits,
			     struct test_taken *taken)
{
	unsigned int fit, there;
	struct range bus, found;
	long ret;

	ret = xen_swiotlb_fixup(buf, TEST_BUF_NSLABS, bits, &bus);
	if (ret != TEST_BUF_NSLABS) {
		fit = test_fit(buf, bits);
		kunit_info(test, "%u bits: %ld, for want of memory\n", bits,
			   ret);
		if (bits > 32) {
			test_none_above_4g(test, buf, fit);
		} else {
			there = test_take(taken, bits);
			KUNIT_EXPECT_LT(test, fit + there, TEST_BUF_SEGMENTS);
			test_give_back_all(taken);
		}
		if (ret == -ENOMEM)
			return 0;
		KUNIT_ASSERT_EQ(test, ret, TEST_BUF_NSLABS / 2);
	}
	found = test_segments(test, virt_to_phys(buf), ret, bits <= 32);
	KUNIT_EXPECT_EQ(test, bus.start, found.start);
	KUNIT_EXPECT_EQ(test, bus.end, found.end);
	return ret == TEST_BUF_NSLABS ? bus.end : 0;
}

static void *__init test_init_alloc(struct kunit *test, size_t bytes)
{
	void *mem = kunit_kzalloc(test, bytes, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	return mem;
}

static void *__init test_init_buf(struct kunit *test)
{
	void *buf = (void *)__get_free_pages(GFP_KERNEL,
					     get_order(TEST_BUF_BYTES));

	KUNIT_ASSERT_NOT_NULL(test, buf);
	return buf;
}

/*
 * What is low becomes high, and what is good is left alone: unless it is so high
 * that the fixup tries whether it can be had further down.
 */
static void __init swiotlb_xen_test_fixup(struct kunit *test)
{
	static const unsigned int widths[] = { 32, 64, 32, 64 };
	struct test_frames *frames = test_init_alloc(test, sizeof(*frames));
	struct test_taken *taken = test_init_alloc(test, sizeof(*taken));
	void *buf = test_init_buf(test);
	phys_addr_t p = virt_to_phys(buf);
	phys_addr_t page = p + TEST_SEGMENT_BYTES + 5 * XEN_PAGE_SIZE;
	struct range bus;
	dma_addr_t handle;

	for (unsigned int w = 0; w < ARRAY_SIZE(widths); w++) {
		unsigned int bits = widths[w];
		u64 end = test_fixup(test, buf, bits, taken);

		if (!end)
			continue;
		/* As it is looked at when the domain is restored */
		KUNIT_EXPECT_TRUE(test, xen_swiotlb_recheck(p, TEST_BUF_NSLABS,
							    bits, &bus));
		KUNIT_EXPECT_EQ(test, bus.end, end);
		KUNIT_EXPECT_FALSE(test, xen_swiotlb_recheck(p, TEST_BUF_NSLABS,
							     fls64(end) - 1,
							     &bus));

		test_note_frames(buf, frames);
		test_fixup(test, buf, bits, taken);
		if (end <= DMA_BIT_MASK(33))
			KUNIT_EXPECT_EQ(test, 0, test_moved(buf, frames, 0,
							    TEST_BUF_SEGMENTS));

		/* One page of one segment is somewhere else. */
		test_note_frames(buf, frames);
		KUNIT_EXPECT_EQ(test, 0, xen_create_contiguous_region(page, 0,
								      64,
								      &handle));
		KUNIT_EXPECT_FALSE(test, xen_swiotlb_recheck(p, TEST_BUF_NSLABS,
							     bits, &bus));
		end = test_fixup(test, buf, bits, taken);
		if (!end || end > DMA_BIT_MASK(33))
			continue;
		KUNIT_EXPECT_EQ(test, 0, test_moved(buf, frames, 0, 1));
		KUNIT_EXPECT_EQ(test, 0, test_moved(buf, frames, 2,
						    TEST_BUF_SEGMENTS));
	}
	free_pages((unsigned long)buf, get_order(TEST_BUF_BYTES));
}

/* There is no memory of 20 bits: Xen keeps the first MiB for itself. */
static void __init swiotlb_xen_test_fixup_impossible(struct kunit *test)
{
	struct test_frames *frames = test_init_alloc(test, sizeof(*frames));
	void *buf = test_init_buf(test);
	struct range bus;

	test_note_frames(buf, frames);
	KUNIT_EXPECT_EQ(test, (long)-ENOMEM,
			xen_swiotlb_fixup(buf, TEST_BUF_NSLABS, 20, &bus));
	KUNIT_EXPECT_EQ(test, 0,
			test_moved(buf, frames, 0, TEST_BUF_SEGMENTS));
	free_pages((unsigned long)buf, get_order(TEST_BUF_BYTES));
}

/*
 * Have the fixup of @buf fail after @ready of its segments. All memory of so many
 * bits is in @taken, before and after, provided that the fixup has kept and given
 * back what it should.
 */
static void __init test_fixup_fails(struct kunit *test, void *buf,
				    unsigned int bits, unsigned int ready,
				    struct test_taken *taken,
				    struct test_frames *frames)
{
	phys_addr_t p = virt_to_phys(buf);
	struct range bus, found;
	unsigned int s, keep;
	long ret;

	keep = ready >= TEST_BUF_SEGMENTS / 2 ? TEST_BUF_SEGMENTS / 2 : 0;
	if (ready == TEST_BUF_SEGMENTS)
		keep = ready;

	test_note_frames(buf, frames);
	test_give_back(taken, ready);
	ret = xen_swiotlb_fixup(buf, TEST_BUF_NSLABS, bits, &bus);
	KUNIT_EXPECT_EQ_MSG(test, ret,
			    keep ? (long)keep * IO_TLB_SEGSIZE : -ENOMEM,
			    "after %u of %u segments", ready,
			    TEST_BUF_SEGMENTS);

	/* What was not reached is as it was. */
	KUNIT_EXPECT_EQ(test, 0, test_moved(buf, frames, ready,
					    TEST_BUF_SEGMENTS));
	KUNIT_EXPECT_EQ(test, test_fit(buf, bits), keep);
	if (keep) {
		found = test_segments(test, p, keep * IO_TLB_SEGSIZE, true);
		KUNIT_EXPECT_EQ(test, bus.start, found.start);
		KUNIT_EXPECT_EQ(test, bus.end, found.end);
	}
	/* What lies between is there for the next who asks Xen for it. */
	KUNIT_EXPECT_EQ(test, test_take(taken, bits), ready - keep);

	for (s = 0; s < keep; s++)
		xen_destroy_contiguous_region(p + s * TEST_SEGMENT_BYTES,
					      TEST_SEGMENT_ORDER);
	KUNIT_EXPECT_EQ(test, test_take(taken, bits), keep);
}

static void __init swiotlb_xen_test_fixup_fails(struct kunit *test)
{
	struct test_frames *frames = test_init_alloc(test, sizeof(*frames));
	struct test_taken *taken = test_init_alloc(test, sizeof(*taken));
	void *buf = test_init_buf(test);
	unsigned int bits, there;
	dma_addr_t bus;

	/* Enough for the buffer, and as little more as can be: all is taken. */
	for (bits = 21;; bits++) {
		KUNIT_EXPECT_LT(test, test_take(taken, bits), TEST_TAKEN_MAX);
		if (taken->n >= TEST_BUF_SEGMENTS || bits == 32)
			break;
		test_give_back_all(taken);
	}
	kunit_info(test, "%u segments of %u bits\n", taken->n, bits);

	/* No page of the buffer may be such memory. */
	for (size_t o = 0; o < TEST_BUF_BYTES; o += XEN_PAGE_SIZE) {
		phys_addr_t page = virt_to_phys(buf) + o;

		if (xen_phys_to_bus(NULL, page) > DMA_BIT_MASK(bits))
			continue;
		KUNIT_EXPECT_EQ(test, 0, xen_create_contiguous_region(page, 0,
								      64,
								      &bus));
		KUNIT_EXPECT_GT(test, bus, DMA_BIT_MASK(bits));
	}
	KUNIT_EXPECT_LT(test, test_take(taken, bits), TEST_TAKEN_MAX);
	there = taken->n;

	/* With less than the buffer needs, it never gets further than that. */
	for (unsigned int ready = 0; ready <= min(there, TEST_BUF_SEGMENTS);
	     ready++) {
		test_fixup_fails(test, buf, bits, ready, taken, frames);
		KUNIT_EXPECT_EQ_MSG(test, taken->n, there,
				    "after %u of %u segments", ready,
				    TEST_BUF_SEGMENTS);
	}
	test_give_back_all(taken);
	free_pages((unsigned long)buf, get_order(TEST_BUF_BYTES));
}

static struct kunit_case __refdata swiotlb_xen_init_test_cases[] = {
	KUNIT_CASE(swiotlb_xen_test_fixup),
	KUNIT_CASE(swiotlb_xen_test_fixup_impossible),
	KUNIT_CASE_SLOW(swiotlb_xen_test_fixup_fails),
	{}
};

static struct kunit_suite swiotlb_xen_init_test_suite = {
	.name = "swiotlb-xen-init",
	.init = swiotlb_xen_test_init,
	.test_cases = swiotlb_xen_init_test_cases,
};

kunit_test_init_section_suites(&swiotlb_xen_init_test_suite);
