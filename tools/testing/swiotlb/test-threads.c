// SPDX-License-Identifier: GPL-2.0
/*
 * Several CPUs at once. Each has its own devices and buffers, so that what it
 * reads back tells whether another got the same slots; the sanitizer for threads
 * watches the rest.
 */
#define _GNU_SOURCE
#include "model.h"

#include <pthread.h>

#define CPUS 4
#define BUFFERS 24
#define BUFFER_BYTES 20480

static unsigned int rounds = 4000;
static phys_addr_t area;
static bool xen, stop;
static u64 bounced[CPUS], failed[CPUS];

static dma_addr_t map_one(struct device *dev, phys_addr_t phys, size_t size)
{
	if (xen)
		return subject_xen_ops->map_page(dev, pfn_to_page(PFN_DOWN(phys)),
						 phys & ~PAGE_MASK, size, DMA_BIDIRECTIONAL,
						 DMA_ATTR_NO_WARN);
	return swiotlb_map(dev, phys, size, DMA_BIDIRECTIONAL, DMA_ATTR_NO_WARN);
}

static void unmap_one(struct device *dev, dma_addr_t dma, size_t size)
{
	if (xen)
		subject_xen_ops->unmap_page(dev, dma, size, DMA_BIDIRECTIONAL, 0);
	else
		swiotlb_tbl_unmap_single(dev, dma, size, DMA_BIDIRECTIONAL, 0);
}

static void *worker(void *arg)
{
	int cpu = (long)arg;
	struct device devices[2];
	struct {
		dma_addr_t dma;
		size_t size;
		struct device *dev;
	} maps[BUFFERS] = { 0 };
	u64 state = 88172645463325252ULL + cpu;

	sim_use_cpu(cpu);
	sim_device(&devices[0], "low", DMA_BIT_MASK(32));
	sim_device(&devices[1], "wide", DMA_BIT_MASK(64));
	for (unsigned int i = 0; i < rounds; i++) {
		unsigned int b, seed;
		phys_addr_t phys;
		u8 data[BUFFER_BYTES], back[BUFFER_BYTES];

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		b = state % BUFFERS;
		seed = cpu * 64 + b;
		phys = area + (cpu * BUFFERS + b) * (u64)BUFFER_BYTES;
		if (!maps[b].size) {
			maps[b].size = (state >> 20) % BUFFER_BYTES + 1;
			maps[b].dev = &devices[state >> 40 & 1];
			memset(data, seed, maps[b].size);
			sim_copy_to_phys(phys, data, maps[b].size);
			maps[b].dma = map_one(maps[b].dev, phys, maps[b].size);
			if (maps[b].dma == DMA_MAPPING_ERROR) {
				maps[b].size = 0;
				failed[cpu]++;
			} else {
				bounced[cpu]++;
			}
			continue;
		}
		/* Nobody else has written there. */
		CHECK(sim_dma_read(maps[b].dev, maps[b].dma, back, maps[b].size));
		memset(data, seed, maps[b].size);
		CHECK(!memcmp(data, back, maps[b].size), "CPU %d: another's data in the buffer",
		      cpu);
		memset(data, ~seed, maps[b].size);
		CHECK(sim_dma_write(maps[b].dev, maps[b].dma, data, maps[b].size));
		unmap_one(maps[b].dev, maps[b].dma, maps[b].size);
		sim_copy_from_phys(back, phys, maps[b].size);
		CHECK(!memcmp(data, back, maps[b].size), "CPU %d: not what the device wrote", cpu);
		maps[b].size = 0;
	}
	for (unsigned int b = 0; b < BUFFERS; b++)
		if (maps[b].size)
			unmap_one(maps[b].dev, maps[b].dma, maps[b].size);
	return NULL;
}

/* Reads the files and lets pools be added and freed, meanwhile */
static void *housekeeper(void *arg)
{
	u64 val;

	sim_use_cpu(CPUS);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		sim_file_get("/swiotlb/io_tlb_used", &val);
		sim_file_get("/swiotlb/hi/bounces", &val);
		sim_file_get("/swiotlb/lo/bounced_bytes", &val);
		if (subject_nslabs(SWIOTLB_LO) < 8192)
			sim_run_deferred();
		sched_yield();
	}
	return NULL;
}

static void run(void)
{
	pthread_t threads[CPUS], keeper;
	u64 val, sum = 0, all = 0;

	area = sim_alloc_at(0, 48 * MB, CPUS * BUFFERS * BUFFER_BYTES, PAGE_SIZE);
	subject_late_files();
	stop = false;
	for (long cpu = 0; cpu < CPUS; cpu++) {
		bounced[cpu] = 0;
		failed[cpu] = 0;
		CHECK(!pthread_create(&threads[cpu], NULL, worker, (void *)cpu));
	}
	CHECK(!pthread_create(&keeper, NULL, housekeeper, NULL));
	for (int cpu = 0; cpu < CPUS; cpu++)
		pthread_join(threads[cpu], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(keeper, NULL);
	sim_run_deferred();

	/* All is given back, and each bounce was counted once. */
	for (int cpu = 0; cpu < CPUS; cpu++) {
		CHECK(bounced[cpu] > rounds / 10, "CPU %d could hardly do anything", cpu);
		all += bounced[cpu];
	}
	for (int type = 0; type < SUBJECT_TYPES; type++) {
		CHECK_EQ(subject_used(type), 0);
		if (!sim_file_get(type ? "/swiotlb/hi/bounces" : "/swiotlb/lo/bounces", &val))
			sum += val;
	}
	if (IS_ENABLED(CONFIG_DEBUG_FS) && subject_nslabs(SWIOTLB_HI))
		CHECK_EQ(sum, all);
	test_pools(NULL, true);
}

static void run_direct(const char *param)
{
	struct sim_machine machine;

	xen = false;
	test_machine(&machine, 48 * MB, 48 * MB, CPUS);
	test_boot(&machine, param);
	subject_early(false, 0);
	run();
}

/* One area for all, and little room */
TEST(threads_one_area)
{
	run_direct("512,1,force");
}

TEST(threads_four_areas)
{
	run_direct("2048,4,force");
}

TEST(threads_lo_and_hi, .needs_hi = true, .needs_64bit = true)
{
	run_direct("512,2,1M,force");
}

TEST(threads_xen)
{
	struct hyp_machine hyp = { .layout = HYP_SCATTERED,
				   .low_heap = 32 * MB,
				   .high_heap = 32 * MB };

	xen = true;
	test_boot_xen(64 * MB, &hyp, "512,2" WITH_HI("1M") ",force");
	subject_early(true, 0);
	run();
	hyp_check();
}

static int wanted, asked;

/*
 * Asks once for each time that it is wanted, without a lock that would hide what others
 * write without one. If it asked all the time, the sanitizer would not remember where.
 */
static void *asker(void *arg)
{
	struct device dev;

	sim_use_cpu(1);
	sim_device(&dev, "asker", DMA_BIT_MASK(32));
	for (int n = 0; !__atomic_load_n(&stop, __ATOMIC_ACQUIRE);) {
		if (n < __atomic_load_n(&wanted, __ATOMIC_RELAXED)) {
			CHECK(is_swiotlb_active(&dev));
			__atomic_store_n(&asked, ++n, __ATOMIC_RELAXED);
		}
		sched_yield();
	}
	return NULL;
}

TEST(threads_asking_while_growing, .needs_dynamic = true)
{
	struct sim_machine machine;
	dma_addr_t dma[100];
	pthread_t thread;
	struct device dev;
	int n;

	xen = false;
	test_machine(&machine, 48 * MB, 48 * MB, 2);
	test_boot(&machine, "512,1,force");
	subject_early(false, 0);
	area = sim_alloc_at(0, 48 * MB, 100 * 65536, PAGE_SIZE);
	sim_device(&dev, "dev", DMA_BIT_MASK(32));
	stop = false;
	wanted = 0;
	asked = 0;
	CHECK(!pthread_create(&thread, NULL, asker, NULL));
	for (n = 0; n < 100 && subject_nslabs(SWIOTLB_LO) < 2048; n++) {
		dma[n] = map_one(&dev, area + n * 65536, 65536);
		CHECK(dma[n] != DMA_MAPPING_ERROR);
		__atomic_store_n(&wanted, n + 1, __ATOMIC_RELAXED);
		while (__atomic_load_n(&asked, __ATOMIC_RELAXED) != n + 1)
			sched_yield();
		sim_run_deferred();
	}
	CHECK(n < 100);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	while (n--)
		unmap_one(&dev, dma[n], 65536);
	sim_run_deferred();
	test_pools(NULL, true);
}
