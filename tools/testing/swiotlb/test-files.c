// SPDX-License-Identifier: GPL-2.0
/* What debugfs shows. That the numbers are right, every other test checks. */
#include "model.h"

static bool has_files(void)
{
	return IS_ENABLED(CONFIG_DEBUG_FS);
}

/* Without HI: the files of before the series, and no others */
TEST(files_without_hi)
{
	static const char *const there[] = { "io_tlb_nslabs", "io_tlb_used",
					     "io_tlb_used_hiwater" };
	struct sim_machine machine;
	char path[64];
	u64 val;

	test_machine(&machine, 64 * MB, 64 * MB, 2);
	test_boot(&machine, "1024,2");
	subject_early(false, 0);
	subject_late_files();
	for (int i = 0; i < ARRAY_SIZE(there); i++) {
		snprintf(path, sizeof(path), "/swiotlb/%s", there[i]);
		CHECK_EQ(sim_file_get(path, &val), has_files() ? 0 : -ENOENT);
		if (has_files())
			CHECK_EQ(val, i ? 0 : 1024);
	}
	CHECK_EQ(sim_file_get("/swiotlb/lo/used", &val), -ENOENT);
	CHECK_EQ(sim_file_get("/swiotlb/io_tlb_transient_nslabs", &val),
		 has_files() && subject_has_dynamic() ? 0 : -ENOENT);
	if (has_files()) {
		CHECK_EQ(sim_file_set("/swiotlb/io_tlb_used_hiwater", 1), -EINVAL);
		CHECK_EQ(sim_file_set("/swiotlb/io_tlb_used_hiwater", 0), 0);
	}

	/* No pool: no files */
	test_boot(&machine, "noforce");
	subject_early(false, 0);
	subject_late_files();
	CHECK_EQ(sim_file_get("/swiotlb/io_tlb_nslabs", &val), -ENOENT);
}

TEST(files_of_types, .needs_hi = true, .needs_64bit = true)
{
	static const char *const dirs[] = { "lo", "hi" };
	static const char *const names[] = {
		"nslabs",	 "used",     "used_hiwater", "bounces",
		"bounced_bytes", "failures", "fallbacks",
	};
	struct sim_machine machine;
	struct subject_pool pool;
	char path[64], text[128], want[128];
	u64 val;

	if (!has_files())
		test_skip("needs CONFIG_DEBUG_FS");
	test_machine(&machine, 64 * MB, 64 * MB, 2);
	test_boot(&machine, "1024,2,4M");
	subject_early(false, 0);
	subject_late_files();
	for (int type = 0; type < 2; type++) {
		for (int i = 0; i < ARRAY_SIZE(names); i++) {
			snprintf(path, sizeof(path), "/swiotlb/%s/%s", dirs[type], names[i]);
			if (!strcmp(names[i], "fallbacks") && type == SWIOTLB_LO) {
				CHECK_EQ(sim_file_get(path, &val), -ENOENT);
				continue;
			}
			CHECK_EQ(sim_file_get(path, &val), 0);
			CHECK_EQ(val, i ? 0 : type ? 2048 : 1024);
			CHECK_EQ(sim_file_set(path, 1), i == 2 ? -EINVAL : -EACCES);
		}
		pool = test_pool(type);
		for (int bus = 0; bus < 2; bus++) {
			snprintf(path, sizeof(path), "/swiotlb/%s/%s", dirs[type],
				 bus ? "bus" : "phys");
			snprintf(want, sizeof(want), "0x%016llx-0x%016llx\n", pool.start,
				 pool.end - 1);
			CHECK_EQ(sim_file_show(path, text, sizeof(text)), 0);
			CHECK(!strcmp(text, want), "%s: %s", path, text);
		}
	}
	CHECK(!sim_file_get("/swiotlb/io_tlb_nslabs", &val) && val == 3072);
}

static struct mapping *maps[100];

static void map_many(struct device *dev, phys_addr_t area, size_t size, int from, int to)
{
	for (int i = from; i < to; i++)
		CHECK((maps[i] = model_map(dev, area + i * (size + 4096), size, DMA_TO_DEVICE, 0)));
}

static void unmap_many(int from, int to)
{
	for (int i = from; i < to; i++)
		model_unmap(maps[i], 0);
}

static void check_hiwater(const char *path, u64 want)
{
	u64 val;

	if (!sim_file_get(path, &val))
		CHECK(val == want, "%s says %llu and not %llu", path, val, want);
}

/* With one area the high water mark is exact, in large pools, too, whoever reset it. */
static void hiwater(const char *param, unsigned int bits, const char *path)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t area;

	test_machine(&machine, 256 * MB, 256 * MB, 2);
	test_boot(&machine, param);
	subject_early(false, 0);
	subject_late_files();
	model_begin(false);
	sim_device(&dev, "dev", DMA_BIT_MASK(bits));
	area = sim_alloc_at(0, 256 * MB, 16 * MB, PAGE_SIZE) + 4096;
	map_many(&dev, area, 2048, 0, 100);
	unmap_many(10, 100);
	map_many(&dev, area, 2048, 10, 60);
	check_hiwater(path, 100);
	check_hiwater("/swiotlb/io_tlb_used_hiwater", 100);
	unmap_many(50, 60);
	sim_file_set(path, 0);
	sim_file_set("/swiotlb/io_tlb_used_hiwater", 0);
	map_many(&dev, area, 2048, 50, 55);
	unmap_many(40, 55);
	check_hiwater(path, 55);
	check_hiwater("/swiotlb/io_tlb_used_hiwater", 55);
	sim_file_set(path, 0);
	sim_file_set("/swiotlb/io_tlb_used_hiwater", 0);
	unmap_many(0, 40);
	check_hiwater(path, model_reset_hiwater(40));
	check_hiwater("/swiotlb/io_tlb_used_hiwater", model_reset_hiwater(40));
	sim_file_set(path, 0);
	map_many(&dev, area, 2048, 0, 1);
	unmap_many(0, 1);
	check_hiwater(path, 1);
	CHECK_EQ(subject_used(bits > 32), 0);
}

TEST(files_hiwater)
{
	hiwater("65536,1,force", 32, "/swiotlb/io_tlb_used_hiwater");
#ifdef SUBJECT_HAS_HI
	hiwater("32768,1,64M,force", 32, "/swiotlb/lo/used_hiwater");
	if (BITS_PER_LONG == 64)
		hiwater("32768,1,64M,force", 64, "/swiotlb/hi/used_hiwater");
#endif
}

/* What one area had at its worst, and another at its, do not add up. */
TEST(files_hiwater_of_two_areas)
{
	struct sim_machine machine;
	struct device dev;
	phys_addr_t area;

	test_machine(&machine, 256 * MB, 256 * MB, 2);
	test_boot(&machine, "65536,2,force");
	subject_early(false, 0);
	subject_late_files();
	model_begin(false);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	area = sim_alloc_at(0, 256 * MB, 16 * MB, PAGE_SIZE) + 4096;
	for (int i = 0; i < 6; i++) {
		sim_use_cpu(i & 1);
		map_many(&dev, area, SEGMENT, 0, 8 + i);
		model_check(true);
		unmap_many(0, 8 + i);
		model_check(true);
	}
}

/* HI was asked for and cannot be had: LO's files are there, HI's are not. */
TEST(files_hi_is_not_there, .needs_hi = true, .needs_64bit = true)
{
	struct sim_machine machine;
	u64 val;

	if (!has_files())
		test_skip("needs CONFIG_DEBUG_FS");
	test_machine(&machine, 64 * MB, 0, 2);
	test_boot(&machine, "1024,2,4M");
	subject_early(false, 0);
	subject_late_files();
	CHECK(!sim_file_get("/swiotlb/lo/nslabs", &val) && val == 1024);
	CHECK_EQ(sim_file_get("/swiotlb/hi/nslabs", &val), -ENOENT);
}

/* What can be read and written, by root alone */
TEST(files_modes)
{
	static const char *const names[] = { "io_tlb_nslabs",  "io_tlb_used", "io_tlb_used_hiwater",
					     "nslabs",	       "used",	      "used_hiwater",
					     "bounces",	       "failures",    "bounced_bytes",
					     "fallbacks",      "phys",	      "bus",
					     "io_tlb_transient_nslabs" };
	static const char *const dirs[] = { "", "/lo", "/hi" };
	struct sim_machine machine;
	unsigned int found = 0;
	char path[64];

	test_machine(&machine, 64 * MB, 64 * MB, 2);
	test_boot(&machine, BITS_PER_LONG == 64 ? "1024,2" WITH_HI("4M") : "1024,2");
	subject_early(false, 0);
	subject_late_files();
	for (int d = 0; d < ARRAY_SIZE(dirs); d++)
		for (int i = 0; i < ARRAY_SIZE(names); i++) {
			int mode;

			snprintf(path, sizeof(path), "/swiotlb%s/%s", dirs[d], names[i]);
			mode = sim_file_mode(path);
			found += mode >= 0;
			if (mode >= 0)
				CHECK(mode == (strstr(names[i], "hiwater") ? 0600 : 0400),
				      "%s: 0%o", path, mode);
		}
	if (has_files())
		CHECK_EQ(found, 3 + subject_has_dynamic() + (SUBJECT_TYPES > 1 &&
							     BITS_PER_LONG == 64 ? 8 + 9 : 0));
}

/* On Xen the addresses on the bus are others than the physical ones. */
TEST(files_ranges_on_xen, .needs_hi = true, .needs_64bit = true)
{
	static const char *const dirs[] = { "lo", "hi" };
	struct hyp_machine hyp = { .layout = HYP_REVERSED,
				   .low_heap = 16 * MB,
				   .high_heap = 64 * MB };
	char path[64], text[128], want[128];
	struct subject_pool pool;

	if (!has_files())
		test_skip("needs CONFIG_DEBUG_FS");
	test_boot_xen(5 * GB, &hyp, "1024,2,4M");
	subject_early(true, 0);
	subject_late_files();
	for (int type = 0; type < 2; type++) {
		pool = test_pool(type);
		CHECK(pool.nslabs && pool.bus.start != pool.start);
		snprintf(path, sizeof(path), "/swiotlb/%s/bus", dirs[type]);
		snprintf(want, sizeof(want), "0x%016llx-0x%016llx\n", pool.bus.start, pool.bus.end);
		CHECK_EQ(sim_file_show(path, text, sizeof(text)), 0);
		CHECK(!strcmp(text, want), "%s: %s", path, text);
		snprintf(path, sizeof(path), "/swiotlb/%s/phys", dirs[type]);
		snprintf(want, sizeof(want), "0x%016llx-0x%016llx\n", pool.start, pool.end - 1);
		CHECK_EQ(sim_file_show(path, text, sizeof(text)), 0);
		CHECK(!strcmp(text, want), "%s: %s", path, text);
	}
}

/*
 * An interrupt between unlocking an area and what follows: maps and unmaps there, and
 * reads the marks, which can never be more than there are slots.
 */
static struct {
	struct device dev;
	phys_addr_t area, first, last;
	void (*handler)(void);
	bool done;
} irq;

static void check_marks(void)
{
	static const char *const marks[] = { "/swiotlb/io_tlb_used_hiwater",
					     "/swiotlb/lo/used_hiwater" };
	u64 val;

	for (int i = 0; i < ARRAY_SIZE(marks); i++)
		if (!sim_file_get(marks[i], &val))
			CHECK(val <= test_pool(SWIOTLB_LO).nslabs, "%s says %lld", marks[i], val);
}

static phys_addr_t irq_map(unsigned int slots)
{
	phys_addr_t tlb = swiotlb_tbl_map_single(&irq.dev, irq.area, slots * SLAB, 0,
						 DMA_TO_DEVICE, 0);

	CHECK(tlb != (phys_addr_t)DMA_MAPPING_ERROR);
	return tlb;
}

static void irq_unmap(phys_addr_t tlb, unsigned int slots)
{
	swiotlb_tbl_unmap_single(&irq.dev, tlb, slots * SLAB, DMA_TO_DEVICE, 0);
}

static void irqs_change(bool off)
{
	if (off || irq.done)
		return;
	irq.done = true;
	irq.handler();
	check_marks();
}

static void irq_boot(const char *param, void (*handler)(void))
{
	struct sim_machine machine;

	test_machine(&machine, 256 * MB, 256 * MB, 1);
	test_boot(&machine, param);
	subject_early(false, 0);
	subject_late_files();
	subject_forbid_growth(true);
	irq.area = sim_alloc_at(0, 256 * MB, MB, PAGE_SIZE);
	irq.handler = handler;
	irq.done = true;
	sim_irq_hook = irqs_change;
	sim_device(&irq.dev, "dev", DMA_BIT_MASK(32));
}

/* What was just given back is taken again. */
static void map_again(void)
{
	irq.last = irq_map(IO_TLB_SEGSIZE);
}

/* Everything goes that is not the interrupted mapping's, and what was announced with it. */
static void unmap_all(void)
{
	phys_addr_t more = irq_map(65);

	irq_unmap(irq.first, 64);
	irq_unmap(more, 65);
	sim_file_set("/swiotlb/lo/used_hiwater", 0);
	sim_file_set("/swiotlb/io_tlb_used_hiwater", 0);
	irq_unmap(irq_map(1), 1);
}

TEST(files_hiwater_interrupted, .base_fails = true)
{
	phys_addr_t tlb[4], more[8];

	irq_boot("512,1" WITH_HI("1M") ",force", map_again);
	for (int i = 0; i < 4; i++)
		tlb[i] = irq_map(IO_TLB_SEGSIZE);
	check_marks();
	for (int i = 0; i < 4; i++) {
		irq.done = false;
		irq_unmap(tlb[i], IO_TLB_SEGSIZE);
		check_marks();
		CHECK_EQ(irq.last, tlb[i]);
	}

	irq_boot("65536,1" WITH_HI("1M") ",force", unmap_all);
	for (int i = 0; i < 8; i++)
		more[i] = irq_map(IO_TLB_SEGSIZE);
	for (int i = 0; i < 8; i++)
		irq_unmap(more[i], IO_TLB_SEGSIZE);
	irq.first = irq_map(64);
	irq.done = false;
	tlb[0] = irq_map(64);
	check_marks();
	irq_unmap(tlb[0], 64);
	check_marks();
	CHECK_EQ(subject_used(SWIOTLB_LO), 0);
}
