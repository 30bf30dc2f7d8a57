// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of swiotlb. Included by swiotlb.c, whose static functions are
 * what there is to test.
 *
 * The suite "swiotlb" works on an allocator of its own: two pools of a MiB each
 * in ordinary memory, to which a test gives the bus addresses that it wants.
 * "swiotlb-pools" works on the pools of the running kernel, and "swiotlb-init"
 * on what is only there during boot.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#ifdef CONFIG_SWIOTLB_XEN
#include <xen/swiotlb-xen.h>
#endif

#define TEST_NSLABS	((unsigned long)(SZ_1M >> IO_TLB_SHIFT))
#define TEST_NAREAS	4U
#define TEST_SEGMENTS	(TEST_NSLABS / IO_TLB_SEGSIZE)

struct swiotlb_test {
	struct device *dev;
	struct io_tlb_mem mem;
	/* A buffer to be bounced, as large as the largest mapping */
	u8 *buf;
};

static struct device *test_device(struct kunit *test)
{
	struct device *dev = kunit_device_register(test, "swiotlb-test");

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	dev->dma_mask = &dev->coherent_dma_mask;
	dev->coherent_dma_mask = DMA_BIT_MASK(64);
	dev->bus_dma_limit = 0;
	dev->dma_parms = kunit_kzalloc(test, sizeof(*dev->dma_parms),
				       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dev->dma_parms);
	return dev;
}

/* Give a pool of the test's allocator another place on the bus. */
static void test_place(struct swiotlb_test *t, enum swiotlb_type type,
		       u64 bus_start)
{
	struct io_tlb_pool *pool = &t->mem.defpool[type];

	pool->bus.start = bus_start;
	pool->bus.end = bus_start + (pool->nslabs << IO_TLB_SHIFT) - 1;
}

static void test_add_pool(struct kunit *test, enum swiotlb_type type,
			  u64 bus_start)
{
	/* With CONFIG_SWIOTLB_DYNAMIC no more are looked at than these. */
	unsigned int nareas = clamp(default_nareas, 1U, TEST_NAREAS);
	struct swiotlb_test *t = test->priv;
	struct io_tlb_pool *pool = &t->mem.defpool[type];
	size_t size = swiotlb_meta_size(TEST_NSLABS, nareas);
	void *tlb, *meta;

	tlb = kunit_kmalloc(test, SZ_1M, GFP_KERNEL);
	/* Only powers of two are sure to be aligned to a page. */
	meta = kunit_kmalloc(test, roundup_pow_of_two(size), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, tlb);
	KUNIT_ASSERT_NOT_NULL(test, meta);

	/* What is there before must not matter. */
	memset(meta, 0xa5, size);
	swiotlb_init_io_tlb_pool(pool, type, virt_to_phys(tlb), TEST_NSLABS,
				 true, nareas, meta);
	add_mem_pool(&t->mem, pool);
	test_place(t, type, bus_start);
}

static int swiotlb_test_init_lo(struct kunit *test)
{
	struct swiotlb_test *t;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;

#ifdef CONFIG_SWIOTLB_DYNAMIC
	spin_lock_init(&t->mem.lock);
	for (int type = 0; type < SWIOTLB_MAX; type++)
		INIT_LIST_HEAD_RCU(&t->mem.pools[type]);
#endif
	t->buf = kunit_kmalloc(test, IO_TLB_SEGMENT_BYTES, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->buf);
	t->dev = test_device(test);
	t->dev->dma_io_tlb_mem = &t->mem;

	if (IS_ENABLED(CONFIG_SWIOTLB_DYNAMIC) && !default_nareas)
		kunit_skip(test, "the kernel runs without swiotlb");

	test_add_pool(test, SWIOTLB_LO, SZ_16M);
	return 0;
}

static int swiotlb_test_init(struct kunit *test)
{
	int rc = swiotlb_test_init_lo(test);

	if (!rc)
		test_add_pool(test, SWIOTLB_HI, SZ_8G);
	return rc;
}

static void swiotlb_test_exit(struct kunit *test)
{
	struct swiotlb_test *t = test->priv;

	/* Also called when init did not get to its end */
	if (t && t->dev)
		t->dev->dma_io_tlb_mem = &io_tlb_default_mem;
}

/*
 * Divide a pool into fewer areas: the part of LO that is not reserved may end in
 * the middle of one.
 */
static void test_set_nareas(struct io_tlb_pool *pool, unsigned int nareas)
{
	struct range bus = pool->bus;

	swiotlb_init_io_tlb_pool(pool, pool->type, pool->start, pool->nslabs,
				 true, nareas, pool->areas);
	pool->bus = bus;
}

static phys_addr_t test_map(struct swiotlb_test *t, size_t size,
			    enum dma_data_direction dir)
{
	return swiotlb_tbl_map_single(t->dev, virt_to_phys(t->buf), size, 0,
				      dir, DMA_ATTR_NO_WARN);
}

static void test_unmap(struct swiotlb_test *t, phys_addr_t addr, size_t size,
		       enum dma_data_direction dir)
{
	swiotlb_tbl_unmap_single(t->dev, addr, size, dir, 0);
}

/* Type of the pool that a mapping is in, SWIOTLB_MAX if it failed */
static int test_type_of(struct device *dev, phys_addr_t addr)
{
	struct io_tlb_pool *pool = swiotlb_find_pool(dev, addr);

	return pool ? pool->type : SWIOTLB_MAX;
}

static int test_type(struct swiotlb_test *t, phys_addr_t addr)
{
	return test_type_of(t->dev, addr);
}

/* What is free has no data of anybody: a sync that is wrong finds nothing. */
static void test_expect_forgotten(struct kunit *test, struct io_tlb_pool *pool)
{
	struct swiotlb_test *t = test->priv;
	phys_addr_t addr;

	memset(t->buf, 0x77, IO_TLB_SEGMENT_BYTES);
	memset(pool->vaddr, 0x88, pool->nslabs << IO_TLB_SHIFT);
	for (addr = pool->start; addr < pool->end; addr += IO_TLB_SIZE) {
		swiotlb_sync_single_for_cpu(t->dev, addr, IO_TLB_SIZE,
					    DMA_FROM_DEVICE);
		if (memchr_inv(t->buf, 0x77, IO_TLB_SEGMENT_BYTES))
			break;
		swiotlb_sync_single_for_device(t->dev, addr, IO_TLB_SIZE,
					       DMA_TO_DEVICE);
		if (memchr_inv(phys_to_virt(addr), 0x88, IO_TLB_SIZE))
			break;
	}
	KUNIT_EXPECT_EQ_MSG(test, addr, pool->end, "%s: slot %llu of %lu",
			    swiotlb_type_name[pool->type],
			    (u64)(addr - pool->start) >> IO_TLB_SHIFT,
			    pool->nslabs);
}

/* All slots are free and merged: each segment takes a mapping of its size. */
static void test_expect_merged(struct kunit *test, struct io_tlb_pool *pool)
{
	static const u64 masks[SWIOTLB_MAX] = {
		[SWIOTLB_LO] = DMA_BIT_MASK(32),
		[SWIOTLB_HI] = DMA_BIT_MASK(64),
	};
	struct swiotlb_test *t = test->priv;
	u64 mask = *t->dev->dma_mask, limit = t->dev->bus_dma_limit;
	unsigned long boundary = dma_get_seg_boundary(t->dev);
	u64 bus_start = pool->bus.start;
	phys_addr_t addrs[TEST_SEGMENTS];
	int n;

	*t->dev->dma_mask = masks[pool->type];
	t->dev->bus_dma_limit = 0;
	dma_set_seg_boundary(t->dev, ULONG_MAX);
	test_place(t, pool->type, pool->type == SWIOTLB_LO ? SZ_16M : SZ_8G);

	for (n = 0; n < TEST_SEGMENTS; n++) {
		addrs[n] = test_map(t, IO_TLB_SEGMENT_BYTES, DMA_TO_DEVICE);
		if (test_type(t, addrs[n]) != pool->type)
			break;
	}
	KUNIT_EXPECT_EQ_MSG(test, n, TEST_SEGMENTS, "%s",
			    swiotlb_type_name[pool->type]);
	while (n--)
		test_unmap(t, addrs[n], IO_TLB_SEGMENT_BYTES, DMA_TO_DEVICE);

	test_place(t, pool->type, bus_start);
	dma_set_seg_boundary(t->dev, boundary);
	t->dev->bus_dma_limit = limit;
	*t->dev->dma_mask = mask;
}

static void test_expect_empty(struct kunit *test)
{
	struct swiotlb_test *t = test->priv;

	for (int type = 0; type < SWIOTLB_MAX; type++) {
		struct io_tlb_pool *pool = &t->mem.defpool[type];

		KUNIT_EXPECT_EQ(test, mem_type_used(&t->mem, type), 0);
		for (unsigned int i = 0; i < pool->nareas; i++)
			KUNIT_EXPECT_EQ(test, pool->areas[i].used, 0);
		if (!pool->nslabs)
			continue;
		test_expect_forgotten(test, pool);
		test_expect_merged(test, pool);
	}
}

/* Which pool does a device with this addressing get? */
static int test_choice(struct swiotlb_test *t, u64 mask, u64 bus_limit)
{
	phys_addr_t addr;
	int type;

	t->dev->coherent_dma_mask = mask;
	t->dev->bus_dma_limit = bus_limit;
	addr = test_map(t, SZ_4K, DMA_TO_DEVICE);
	type = test_type(t, addr);
	if (type != SWIOTLB_MAX)
		test_unmap(t, addr, SZ_4K, DMA_TO_DEVICE);
	return type;
}

/* Every mask of 24 to 64 bits, with HI ending just below 33 to 52 bits */
static void swiotlb_test_choice_by_mask(struct kunit *test)
{
	struct swiotlb_test *t = test->priv;

	for (unsigned int top = 33; top <= 52; top++) {
		u64 last = BIT_ULL(top) - 1;

		test_place(t, SWIOTLB_HI, BIT_ULL(top) - SZ_1M);
		for (unsigned int bits = 24; bits <= 64; bits++) {
			int expect = bits >= top ? SWIOTLB_HI : SWIOTLB_LO;

			KUNIT_EXPECT_EQ_MSG(test, expect,
					    test_choice(t, DMA_BIT_MASK(bits), 0),
					    "mask of %u bits, HI ends below %u bits",
					    bits, top);
			KUNIT_EXPECT_EQ_MSG(test, expect,
					    test_choice(t, DMA_BIT_MASK(64),
							DMA_BIT_MASK(bits)),
					    "bus limit of %u bits, HI ends below %u bits",
					    bits, top);
		}

		KUNIT_EXPECT_EQ(test, SWIOTLB_HI, test_choice(t, last, 0));
		KUNIT_EXPECT_EQ(test, SWIOTLB_LO, test_choice(t, last - 1, 0));
		KUNIT_EXPECT_EQ(test, SWIOTLB_LO,
				test_choice(t, DMA_BIT_MASK(64), last - 1));
	}
	test_expect_empty(test);
}

/* What is copied when, in either pool, for a part of the buffer too */
static void swiotlb_test_contents(struct kunit *test)
{
	static const u64 masks[SWIOTLB_MAX] = {
		[SWIOTLB_LO] = DMA_BIT_MASK(32),
		[SWIOTLB_HI] = DMA_BIT_MASK(64),
	};
	static const size_t sizes[] = { 1, 2047, 2048, 4096, 65537, 262144 };
	struct swiotlb_test *t = test->priv;

	for (int i = 0; i < SWIOTLB_MAX * ARRAY_SIZE(sizes); i++) {
		int type = i % SWIOTLB_MAX;
		size_t size = sizes[i / SWIOTLB_MAX];
		phys_addr_t addr;
		u8 *tlb;

		*t->dev->dma_mask = masks[type];
		memset(t->buf, 0x11, size);
		addr = test_map(t, size, DMA_BIDIRECTIONAL);
		KUNIT_ASSERT_EQ(test, type, test_type(t, addr));
		tlb = phys_to_virt(addr);
		KUNIT_EXPECT_NULL(test, memchr_inv(tlb, 0x11, size));

		/* The device writes: seen after a sync, and only that part. */
		memset(tlb, 0x22, size);
		KUNIT_EXPECT_NULL(test, memchr_inv(t->buf, 0x11, size));
		swiotlb_sync_single_for_cpu(t->dev, addr, size / 2,
					    DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_NULL(test, memchr_inv(t->buf, 0x22, size / 2));
		KUNIT_EXPECT_NULL(test, memchr_inv(t->buf + size / 2, 0x11,
						   size - size / 2));

		/* The CPU writes: the device sees the second half of it. */
		memset(t->buf, 0x33, size);
		swiotlb_sync_single_for_device(t->dev, addr + size / 2,
					       size - size / 2,
					       DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_NULL(test, memchr_inv(tlb, 0x22, size / 2));
		KUNIT_EXPECT_NULL(test, memchr_inv(tlb + size / 2, 0x33,
						   size - size / 2));

		memset(tlb, 0x44, size);
		test_unmap(t, addr, size, DMA_FROM_DEVICE);
		KUNIT_EXPECT_NULL(test, memchr_inv(t->buf, 0x44, size));
	}
	test_expect_empty(test);
}

/* A device whose mask changes has mappings in both pools at once. */
static void swiotlb_test_both_pools(struct kunit *test)
{
	struct swiotlb_test *t = test->priv;
	phys_addr_t lo, hi;

	*t->dev->dma_mask = DMA_BIT_MASK(64);
	memset(t->buf, 0x55, SZ_8K);
	hi = test_map(t, SZ_8K, DMA_BIDIRECTIONAL);
	*t->dev->dma_mask = DMA_BIT_MASK(32);
	memset(t->buf, 0x66, SZ_8K);
	lo = test_map(t, SZ_8K, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, test_type(t, hi), SWIOTLB_HI);
	KUNIT_ASSERT_EQ(test, test_type(t, lo), SWIOTLB_LO);
	KUNIT_EXPECT_EQ(test, mem_type_used(&t->mem, SWIOTLB_LO), 4);
	KUNIT_EXPECT_EQ(test, mem_type_used(&t->mem, SWIOTLB_HI), 4);

	/* The mask now says LO; the address says where the data is. */
	swiotlb_sync_single_for_cpu(t->dev, hi, SZ_8K, DMA_FROM_DEVICE);
	KUNIT_EXPECT_NULL(test, memchr_inv(t->buf, 0x55, SZ_8K));
	test_unmap(t, lo, SZ_8K, DMA_FROM_DEVICE);
	KUNIT_EXPECT_NULL(test, memchr_inv(t->buf, 0x66, SZ_8K));
	KUNIT_EXPECT_EQ(test, mem_type_used(&t->mem, SWIOTLB_LO), 0);
	KUNIT_EXPECT_EQ(test, mem_type_used(&t->mem, SWIOTLB_HI), 4);
	test_unmap(t, hi, SZ_8K, DMA_FROM_DEVICE);
	test_expect_empty(test);
}

/*
 * A device that reaches HI takes all of it and half of LO, in small pieces, so
 * that what it leaves would be useless if it were scattered. Then a 32-bit
 * device gets its largest mappings from the rest.
 */
static void test_fallback_and_reserve(struct kunit *test)
{
	struct swiotlb_test *t = test->priv;
	unsigned long taken[SWIOTLB_MAX] = {}, n, kept = 0;
	phys_addr_t *addrs, big[TEST_SEGMENTS], addr;

	addrs = kunit_kcalloc(test, SWIOTLB_MAX * TEST_NSLABS, sizeof(*addrs),
			      GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, addrs);

	/* Where the search goes on is in the reserve, if that is in the area. */
	*t->dev->dma_mask = DMA_BIT_MASK(32);
	for (n = 0; n < TEST_SEGMENTS - 1; n++)
		addrs[n] = test_map(t, IO_TLB_SEGMENT_BYTES, DMA_TO_DEVICE);
	while (n--)
		test_unmap(t, addrs[n], IO_TLB_SEGMENT_BYTES, DMA_TO_DEVICE);
	*t->dev->dma_mask = DMA_BIT_MASK(64);

	for (n = 0; n < SWIOTLB_MAX * TEST_NSLABS; n++) {
		addr = test_map(t, IO_TLB_SIZE, DMA_TO_DEVICE);
		if (addr == (phys_addr_t)DMA_MAPPING_ERROR)
			break;
		addrs[n] = addr;
		/* Not one goes to LO while there is room in HI. */
		if (test_type(t, addr) == SWIOTLB_LO)
			KUNIT_EXPECT_EQ(test, taken[SWIOTLB_HI], TEST_NSLABS);
		taken[test_type(t, addr)]++;
	}
	KUNIT_EXPECT_EQ(test, taken[SWIOTLB_HI], TEST_NSLABS);
	KUNIT_EXPECT_EQ(test, taken[SWIOTLB_LO], TEST_NSLABS / 2);
#ifdef CONFIG_DEBUG_FS
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->mem.fallbacks[SWIOTLB_HI]),
			TEST_NSLABS / 2);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->mem.failures[SWIOTLB_HI]), 1);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->mem.failures[SWIOTLB_LO]), 0);
#endif

	*t->dev->dma_mask = DMA_BIT_MASK(32);
	for (kept = 0; kept < TEST_SEGMENTS; kept++) {
		big[kept] = test_map(t, IO_TLB_SEGMENT_BYTES, DMA_TO_DEVICE);
		if (big[kept] == (phys_addr_t)DMA_MAPPING_ERROR)
			break;
		KUNIT_EXPECT_EQ(test, test_type(t, big[kept]), SWIOTLB_LO);
	}
	KUNIT_EXPECT_EQ(test, kept, TEST_SEGMENTS / 2);
#ifdef CONFIG_DEBUG_FS
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->mem.failures[SWIOTLB_LO]), 1);
#endif

	while (kept--)
		test_unmap(t, big[kept], IO_TLB_SEGMENT_BYTES, DMA_TO_DEVICE);
	while (n--)
		test_unmap(t, addrs[n], IO_TLB_SIZE, DMA_TO_DEVICE);
	test_expect_empty(test);
	kunit_kfree(test, addrs);
}

static void swiotlb_test_fallback_and_reserve(struct kunit *test)
{
	struct swiotlb_test *t = test->priv;
	struct io_tlb_pool *pool = &t->mem.defpool[SWIOTLB_LO];

	for (unsigned int n = pool->nareas; n; n /= 2) {
		test_set_nareas(pool, n);
#ifdef CONFIG_DEBUG_FS
		for (int type = 0; type < SWIOTLB_MAX; type++) {
			atomic_long_set(&t->mem.fallbacks[type], 0);
			atomic_long_set(&t->mem.failures[type], 0);
		}
#endif
		test_fallback_and_reserve(test);
	}
}

/* Without HI, as in a restricted DMA pool, there is no reserve. */
static void swiotlb_test_lo_only(struct kunit *test)
{
	struct swiotlb_test *t = test->priv;
	phys_addr_t addrs[TEST_SEGMENTS];
	int i;

	for (i = 0; i < TEST_SEGMENTS; i++) {
		addrs[i] = test_map(t, IO_TLB_SEGMENT_BYTES, DMA_TO_DEVICE);
		KUNIT_EXPECT_EQ(test, test_type(t, addrs[i]), SWIOTLB_LO);
	}
	KUNIT_EXPECT_EQ(test, (phys_addr_t)DMA_MAPPING_ERROR,
			test_map(t, 1, DMA_TO_DEVICE));
	while (i--)
		test_unmap(t, addrs[i], IO_TLB_SEGMENT_BYTES, DMA_TO_DEVICE);
	test_expect_empty(test);
}

static void swiotlb_test_too_large(struct kunit *test)
{
	struct swiotlb_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, (phys_addr_t)DMA_MAPPING_ERROR,
			test_map(t, IO_TLB_SEGMENT_BYTES + 1, DMA_TO_DEVICE));
#ifdef CONFIG_DEBUG_FS
	/* That is not for want of room. */
	for (int type = 0; type < SWIOTLB_MAX; type++)
		KUNIT_EXPECT_EQ(test, 0,
				atomic_long_read(&t->mem.failures[type]));
#endif
	test_expect_empty(test);
}

/*
 * Boundaries and alignment hold for bus addresses, also where the low bits of
 * those differ from the ones of physical addresses, as on Xen PV.
 */
static void swiotlb_test_bus_alignment(struct kunit *test)
{
	static const size_t sizes[] = { 2048, 4096, 6144, 30000, 65536 };
	struct swiotlb_test *t = test->priv;
	struct io_tlb_pool *pool = &t->mem.defpool[SWIOTLB_HI];
	phys_addr_t addrs[64];
	int in_hi = 0;

	/* 5 pages off */
	test_place(t, SWIOTLB_HI, ALIGN(SZ_8G + pool->start % SZ_256K +
					5 * SZ_4K, SZ_4K));
	dma_set_seg_boundary(t->dev, SZ_64K - 1);

	for (int align = 0; align <= 1; align++) {
		dma_set_min_align_mask(t->dev, align ? SZ_16K - 1 : 0);
		for (int i = 0; i < ARRAY_SIZE(addrs); i++) {
			size_t size = sizes[i % ARRAY_SIZE(sizes)];
			u64 bus;

			if (align)
				size = min_t(size_t, size, SZ_16K);
			addrs[i] = test_map(t, size, DMA_TO_DEVICE);
			if (test_type(t, addrs[i]) != SWIOTLB_HI)
				continue;
			in_hi++;
			bus = pool->bus.start + addrs[i] - pool->start;
			KUNIT_EXPECT_EQ_MSG(test, bus / SZ_64K,
					    (bus + size - 1) / SZ_64K,
					    "%zu bytes at %llx", size, bus);
			if (!align)
				continue;
			KUNIT_EXPECT_EQ(test, bus % SZ_16K,
					virt_to_phys(t->buf) % SZ_16K);
		}
		for (int i = 0; i < ARRAY_SIZE(addrs); i++) {
			size_t size = sizes[i % ARRAY_SIZE(sizes)];

			if (align)
				size = min_t(size_t, size, SZ_16K);
			if (test_type(t, addrs[i]) != SWIOTLB_MAX)
				test_unmap(t, addrs[i], size, DMA_TO_DEVICE);
		}
	}
	dma_set_min_align_mask(t->dev, 0);
	KUNIT_EXPECT_GE(test, in_hi, 2 * 16);
	test_expect_empty(test);
}

#ifndef CONFIG_ARCH_HAS_PHYS_TO_DMA
/* A device that sees memory through windows has to see all of HI in one. */
static void swiotlb_test_windows(struct kunit *test)
{
	struct swiotlb_test *t = test->priv;
	struct io_tlb_pool *pool = &t->mem.defpool[SWIOTLB_HI];
	struct bus_dma_region map[4] = {
		{ .cpu_start = SZ_16M, .dma_start = SZ_16M, .size = SZ_1M },
	};

	t->dev->dma_range_map = map;

	/* All of it, shifted down to where 32 bits are enough */
	map[1].cpu_start = pool->bus.start;
	map[1].dma_start = SZ_1G;
	map[1].size = SZ_1M;
	KUNIT_EXPECT_EQ(test, SWIOTLB_HI, test_choice(t, DMA_BIT_MASK(32), 0));
	KUNIT_EXPECT_EQ(test, SWIOTLB_LO, test_choice(t, DMA_BIT_MASK(30), 0));

	/* Not the last page of it */
	map[1].size = SZ_1M - SZ_4K;
	KUNIT_EXPECT_EQ(test, SWIOTLB_LO, test_choice(t, DMA_BIT_MASK(64), 0));

	/* Which is somewhere else */
	map[2].cpu_start = map[1].cpu_start + map[1].size;
	map[2].dma_start = SZ_2G;
	map[2].size = SZ_4K;
	KUNIT_EXPECT_EQ(test, SWIOTLB_LO, test_choice(t, DMA_BIT_MASK(64), 0));

	/* None of it */
	map[1].size = 0;
	KUNIT_EXPECT_EQ(test, SWIOTLB_LO, test_choice(t, DMA_BIT_MASK(64), 0));

	t->dev->dma_range_map = NULL;
	test_expect_empty(test);
}
#endif

static void swiotlb_test_limit_nareas(struct kunit *test)
{
	for (unsigned int nareas = 1; nareas <= 64; nareas *= 2) {
		for (unsigned int segments = 1; segments <= 200; segments++) {
			unsigned long nslabs = segments * IO_TLB_SEGSIZE;
			unsigned int n = limit_nareas(nareas, nslabs);

			KUNIT_EXPECT_TRUE(test, is_power_of_2(n));
			KUNIT_EXPECT_LE(test, n, nareas);
			KUNIT_EXPECT_EQ(test, nslabs % (n * IO_TLB_SEGSIZE), 0);
			/* No more areas would do. */
			if (n < nareas)
				KUNIT_EXPECT_NE(test, 0, nslabs %
						(2 * n * IO_TLB_SEGSIZE));
		}
	}
}

#ifdef CONFIG_DEBUG_FS
static void swiotlb_test_counters(struct kunit *test)
{
	struct swiotlb_test *t = test->priv;
	phys_addr_t a, b;

	a = test_map(t, 5000, DMA_TO_DEVICE);
	b = test_map(t, 1, DMA_TO_DEVICE);
	test_unmap(t, a, 5000, DMA_TO_DEVICE);
	test_unmap(t, b, 1, DMA_TO_DEVICE);
	*t->dev->dma_mask = DMA_BIT_MASK(32);
	a = test_map(t, 300, DMA_TO_DEVICE);
	test_unmap(t, a, 300, DMA_TO_DEVICE);

	KUNIT_EXPECT_EQ(test, mem_type_bounces(&t->mem, SWIOTLB_HI, false), 2);
	KUNIT_EXPECT_EQ(test, mem_type_bounces(&t->mem, SWIOTLB_HI, true), 5001);
	KUNIT_EXPECT_EQ(test, mem_type_bounces(&t->mem, SWIOTLB_LO, false), 1);
	KUNIT_EXPECT_EQ(test, mem_type_bounces(&t->mem, SWIOTLB_LO, true), 300);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->mem.type_hiwater[SWIOTLB_HI]),
			4);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->mem.type_hiwater[SWIOTLB_LO]),
			1);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->mem.used_hiwater), 4);
	test_expect_empty(test);
}
#endif

static struct kunit_case swiotlb_test_cases[] = {
	KUNIT_CASE(swiotlb_test_choice_by_mask),
	KUNIT_CASE(swiotlb_test_contents),
	KUNIT_CASE(swiotlb_test_both_pools),
	KUNIT_CASE(swiotlb_test_fallback_and_reserve),
	KUNIT_CASE(swiotlb_test_too_large),
	KUNIT_CASE(swiotlb_test_bus_alignment),
#ifndef CONFIG_ARCH_HAS_PHYS_TO_DMA
	KUNIT_CASE(swiotlb_test_windows),
#endif
	KUNIT_CASE(swiotlb_test_limit_nareas),
#ifdef CONFIG_DEBUG_FS
	KUNIT_CASE(swiotlb_test_counters),
#endif
	{}
};

static struct kunit_suite swiotlb_test_suite = {
	.name = "swiotlb",
	.init = swiotlb_test_init,
	.exit = swiotlb_test_exit,
	.test_cases = swiotlb_test_cases,
};

static struct kunit_case swiotlb_lo_test_cases[] = {
	KUNIT_CASE(swiotlb_test_lo_only),
	{}
};

static struct kunit_suite swiotlb_lo_test_suite = {
	.name = "swiotlb-lo",
	.init = swiotlb_test_init_lo,
	.exit = swiotlb_test_exit,
	.test_cases = swiotlb_lo_test_cases,
};

/*
 * Fill the HI pool of the running kernel with the largest mappings, check that
 * each has kept its own data, and that it comes back.
 */
static void swiotlb_test_fill_hi(struct kunit *test)
{
	struct io_tlb_mem *mem = &io_tlb_default_mem;
	struct io_tlb_pool *pool = &mem->defpool[SWIOTLB_HI];
	unsigned long segments = pool->nslabs / IO_TLB_SEGSIZE;
	size_t bytes = IO_TLB_SEGMENT_BYTES, words = bytes / sizeof(u64);
	unsigned long n, i, free, wrong = 0;
	struct device *dev;
	phys_addr_t *addrs;
	u64 *buf;

	if (!segments)
		kunit_skip(test, "the kernel runs without HI");

	dev = test_device(test);
	buf = kunit_kmalloc(test, bytes, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	addrs = kvmalloc_array(segments, sizeof(*addrs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, addrs);

	/*
	 * Drivers may have some of it, each slot in another segment at worst,
	 * and more while the test runs.
	 */
	free = segments - min(segments, mem_type_used(mem, SWIOTLB_HI));

	for (n = 0; n < segments; n++) {
		memset64(buf, n + 1, words);
		addrs[n] = swiotlb_tbl_map_single(dev, virt_to_phys(buf), bytes,
						  0, DMA_TO_DEVICE,
						  DMA_ATTR_NO_WARN);
		if (test_type_of(dev, addrs[n]) != SWIOTLB_HI) {
			swiotlb_tbl_unmap_single(dev, addrs[n], bytes,
						 DMA_TO_DEVICE, 0);
			break;
		}
		cond_resched();
	}
	kunit_info(test, "%lu of %lu segments mapped\n", n, segments);
	KUNIT_EXPECT_GE(test, n, free * 95 / 100);

	for (i = 0; i < n; i++) {
		u64 *tlb = phys_to_virt(addrs[i]);

		for (size_t w = 0; w < words; w++)
			wrong += tlb[w] != i + 1;

		/* What a device would have written */
		memset64(tlb, ~i, words);
		swiotlb_tbl_unmap_single(dev, addrs[i], bytes, DMA_FROM_DEVICE,
					 0);
		wrong += buf[0] != ~(u64)i || buf[words / 2] != ~(u64)i ||
			 buf[words - 1] != ~(u64)i;
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	kvfree(addrs);
}

#ifdef CONFIG_SWIOTLB_XEN
/* On Xen, a mask is good enough from the highest address of LO on, not before. */
static void swiotlb_test_xen_masks(struct kunit *test)
{
	struct io_tlb_mem *mem = &io_tlb_default_mem;
	u64 lo = mem->defpool[SWIOTLB_LO].bus.end;
	u64 hi = mem->defpool[SWIOTLB_HI].bus.end;
	struct device *dev = test_device(test);

	if (get_dma_ops(dev) != &xen_swiotlb_dma_ops)
		kunit_skip(test, "devices do not use the Xen DMA operations");
	if (!mem->nslabs[SWIOTLB_LO])
		kunit_skip(test, "the kernel runs without LO");

	KUNIT_EXPECT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(64)), 0);
	KUNIT_EXPECT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	KUNIT_EXPECT_EQ(test, dma_set_mask(dev, lo), 0);
	KUNIT_EXPECT_NE(test, dma_set_mask(dev, lo - 1), 0);
	KUNIT_EXPECT_NE(test, dma_set_mask(dev, DMA_BIT_MASK(20)), 0);

	/* With HI, more than 32 bits are worth having; drivers/xen/tests knows how many. */
	if (mem->nslabs[SWIOTLB_HI])
		KUNIT_EXPECT_GT(test, mem->defpool[SWIOTLB_HI].bus.start,
				DMA_BIT_MASK(32));
	KUNIT_EXPECT_GE(test, dma_get_required_mask(dev),
			max(hi, DMA_BIT_MASK(32)));
}
#endif

static struct kunit_case swiotlb_pools_test_cases[] = {
#ifdef CONFIG_SWIOTLB_XEN
	KUNIT_CASE(swiotlb_test_xen_masks),
#endif
	KUNIT_CASE_SLOW(swiotlb_test_fill_hi),
	{}
};

static struct kunit_suite swiotlb_pools_test_suite = {
	.name = "swiotlb-pools",
	.test_cases = swiotlb_pools_test_cases,
};

kunit_test_suites(&swiotlb_test_suite, &swiotlb_lo_test_suite,
		  &swiotlb_pools_test_suite);

#define NONE		ULONG_MAX
#define LO_DEFAULT	((unsigned long)(IO_TLB_DEFAULT_SIZE >> IO_TLB_SHIFT))
#define HI64(n)		(IS_ENABLED(CONFIG_64BIT) ? (n) : 0)
#define HI64_WARNINGS	(IS_ENABLED(CONFIG_64BIT) ? 0 : 1)

static const struct swiotlb_parse_case {
	const char *str;
	/* Sizes in slabs */
	unsigned long lo, nareas, hi;
	bool force, noforce;
	unsigned int warnings;
} swiotlb_parse_cases[] = {
	/* What had a meaning before there was HI */
	{ "", LO_DEFAULT, NONE, 0 },
	{ "force", LO_DEFAULT, NONE, 0, true },
	{ "noforce", LO_DEFAULT, NONE, 0, false, true },
	{ "1024", 1024, NONE, 0 },
	{ "0x8000", 32768, NONE, 0 },
	{ "010", 128, NONE, 0 },
	{ "1000", 1024, NONE, 0 },
	{ "1024,", 1024, NONE, 0 },
	{ "1024,force", 1024, NONE, 0, true },
	{ "1024,2", 1024, 2, 0 },
	{ "1024,3", 1024, 3, 0 },
	{ "1024,0", 1024, 0, 0 },
	{ "128,4", 128, 4, 0 },
	{ "1024,2,force", 1024, 2, 0, true },
	{ "1024,2,noforce", 1024, 2, 0, false, true },
	{ "1024,,force", 1024, NONE, 0, true },
	{ ",force", LO_DEFAULT, NONE, 0, true },
	{ ",,force", LO_DEFAULT, NONE, 0, true },
	{ ",4", LO_DEFAULT, 4, 0 },
	/* The third number, and sizes in bytes */
	{ "1024,2,4096", 1024, 2, HI64(4096), false, false, HI64_WARNINGS },
	{ "64M,,2G,force", 32768, NONE, HI64(1048576), true, false, HI64_WARNINGS },
	{ ",,1m", LO_DEFAULT, NONE, HI64(512), false, false, HI64_WARNINGS },
	{ "1M,2,0,noforce", 512, 2, 0, false, true, HI64_WARNINGS },
	{ "1K", 128, NONE, 0 },
	{ "257K", 256, NONE, 0 },
	/* What cannot be used leaves what was there */
	{ "x", LO_DEFAULT, NONE, 0, false, false, 1 },
	{ "-1", LO_DEFAULT, NONE, 0, false, false, 1 },
	{ "+1", LO_DEFAULT, NONE, 0, false, false, 1 },
	{ "64X", LO_DEFAULT, NONE, 0, false, false, 1 },
	{ "64MB", LO_DEFAULT, NONE, 0, false, false, 1 },
	{ "M", LO_DEFAULT, NONE, 0, false, false, 1 },
	{ "9999999999999999", LO_DEFAULT, NONE, 0, false, false, 1 },
	{ "99999999999999999999999", LO_DEFAULT, NONE, 0, false, false, 1 },
	{ "18446744073709551615G", LO_DEFAULT, NONE, 0, false, false, 1 },
	{ "0000000000000000000000000000000000001", LO_DEFAULT, NONE, 0, false, false, 1 },
	{ "1024,-2", 1024, NONE, 0, false, false, 1 },
	{ "1024,4294967297", 1024, NONE, 0, false, false, 1 },
	{ "1024,2K", 1024, NONE, 0, false, false, 1 },
	{ "1024,2,-1", 1024, 2, 0, false, false, 1 },
	{ "1024,2,9999999G", 1024, 2, 0, false, false, 1 },
	{ "1024,2,2G2", 1024, 2, 0, false, false, 1 },
	{ "frce", LO_DEFAULT, NONE, 0, false, false, 1 },
	{ "1024,2,0,frce", 1024, 2, 0, false, false, 1 + HI64_WARNINGS },
	{ "1024,2,0,7", 1024, 2, 0, false, false, 1 + HI64_WARNINGS },
	{ "1024force", LO_DEFAULT, NONE, 0, false, false, 1 },
	{ "1024,2force", 1024, NONE, 0, false, false, 1 },
	{ "force,", LO_DEFAULT, NONE, 0, true },
	{ "1024,force,", 1024, NONE, 0, true },
	{ "force,1024", LO_DEFAULT, NONE, 0, true, false, 1 },
	{ "force,noforce,7", LO_DEFAULT, NONE, 0, true, false, 1 },
	{ "-1,-1,-1,x,y", LO_DEFAULT, NONE, 0, false, false, 5 },
};

static void __init swiotlb_test_parse(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(swiotlb_parse_cases); i++) {
		const struct swiotlb_parse_case *c = &swiotlb_parse_cases[i];
		struct swiotlb_request req = {
			.nslabs = { [SWIOTLB_LO] = LO_DEFAULT },
			.nareas = NONE,
		};
		unsigned int warnings;
		char str[64];

		strscpy(str, c->str);
		warnings = swiotlb_parse(str, &req);
		KUNIT_EXPECT_EQ_MSG(test, req.nslabs[SWIOTLB_LO], c->lo,
				    "'%s'", c->str);
		KUNIT_EXPECT_EQ_MSG(test, req.nslabs[SWIOTLB_HI], c->hi,
				    "'%s'", c->str);
		KUNIT_EXPECT_EQ_MSG(test, req.nareas, c->nareas, "'%s'",
				    c->str);
		KUNIT_EXPECT_EQ_MSG(test, req.force, c->force, "'%s'", c->str);
		KUNIT_EXPECT_EQ_MSG(test, req.noforce, c->noforce, "'%s'",
				    c->str);
		KUNIT_EXPECT_EQ_MSG(test, warnings, c->warnings, "'%s'",
				    c->str);
	}
}

/* What is torn down is not offered any more. */
static void __init swiotlb_test_del_pool(struct kunit *test)
{
	struct swiotlb_test *t;

	swiotlb_test_init(test);
	t = test->priv;
	KUNIT_EXPECT_TRUE(test, is_swiotlb_active(t->dev));
	del_mem_pool(&t->mem, &t->mem.defpool[SWIOTLB_HI]);
	memset(&t->mem.defpool[SWIOTLB_HI], 0, sizeof(struct io_tlb_pool));
	KUNIT_EXPECT_TRUE(test, is_swiotlb_active(t->dev));
	KUNIT_EXPECT_EQ(test, SWIOTLB_LO, test_choice(t, DMA_BIT_MASK(64), 0));
	del_mem_pool(&t->mem, &t->mem.defpool[SWIOTLB_LO]);
	memset(&t->mem.defpool[SWIOTLB_LO], 0, sizeof(struct io_tlb_pool));
	KUNIT_EXPECT_FALSE(test, is_swiotlb_active(t->dev));
	KUNIT_EXPECT_EQ(test, SWIOTLB_MAX, test_choice(t, DMA_BIT_MASK(64), 0));
	swiotlb_test_exit(test);
}

static struct kunit_case __refdata swiotlb_init_test_cases[] = {
	KUNIT_CASE(swiotlb_test_parse),
	KUNIT_CASE(swiotlb_test_del_pool),
	{}
};

static struct kunit_suite swiotlb_init_test_suite = {
	.name = "swiotlb-init",
	.test_cases = swiotlb_init_test_cases,
};

kunit_test_init_section_suites(&swiotlb_init_test_suite);
