/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the benchmark's two files share: bench.c has the cases, bench-pool.c the
 * machine, the pools and what is in them.
 */
#ifndef SIM_BENCH_H
#define SIM_BENCH_H

#include "shim.h"
#include "sim.h"

#include <linux/swiotlb.h>

#define MB (1024 * 1024ULL)
#define GB (1024 * MB)

/* Sizes are bytes. A machine without SWIOTLB_HI has its one pool of that size. */
struct bench_options {
	u64 size, pool, ops, fill, areas, threads, pools, hi, added, counted, milliseconds;
	const char *filling, *layout;
};

extern struct bench_options opt;
extern struct device bench_dev;
extern phys_addr_t bench_buf; /* of a driver's, the largest mapping long */

/* What becomes of data that is copied to or from a pool */
enum bench_copies {
	COPY_NOT, /* nothing: the bookkeeping alone is measured */
	COPY_WINDOW, /* to 2 MiB that stand for the pool, whatever its size */
	COPY_REALLY,
};

extern enum bench_copies bench_copies;

void bench_die(const char *fmt, ...);

/* In nanoseconds, what @n operations take */
double measured(void (*body)(u64 n), u64 n);

/* A machine that has not set its pool up yet; @touch: what clears memory, does. */
void bench_machine(bool touch);
/* Sets it up, and has a device and its buffer */
void bench_boot(void);
/* The same in one go: what is measured begins with pages that are there. */
struct subject_pool bench_ready(void);

dma_addr_t bench_map(size_t size);
void bench_unmap(dma_addr_t addr, size_t size);
/* Takes what is to be in use: the fillings are listed in bench-pool.c. */
void bench_fill(const struct subject_pool *pool);
/* Each slot was in use once. */
void bench_use_all(const struct subject_pool *pool);
/* The copies of a mapping there and back, and nothing else */
void bench_floor(u64 n);
u64 bench_random(void);

#endif /* SIM_BENCH_H */
