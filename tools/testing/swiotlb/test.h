/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tests: TEST(name) { ... } registers one. Each runs in a process of its own,
 * so that it finds a machine that was never booted, and a crash ends it alone.
 */
#ifndef SIM_TEST_H
#define SIM_TEST_H

#include "shim.h"
#include "sim.h"

struct test {
	const char *name;
	void (*run)(void);
	/* The kernel before the series fails this, and should: the series mends it. */
	bool base_fails;
	bool needs_hi, needs_64bit, needs_dynamic;
	unsigned int seconds; /* limit; 0 is the usual one */
};

void test_register(struct test *test);
void test_fail(const char *file, int line, const char *fmt, ...);
void test_skip(const char *why);
/* Step through masks: 1, or SIM_STRIDE= of the environment, for slow builds */
unsigned int test_stride(void);

#define TEST(id, ...)								\
	static void run_##id(void);						\
	__attribute__((constructor)) static void register_##id(void)		\
	{									\
		static struct test test = {					\
			.name = #id, .run = run_##id, __VA_ARGS__		\
		};								\
										\
		test_register(&test);						\
	}									\
	static void run_##id(void)

/* Says what went wrong, and ends the test. */
#define CHECK(cond, ...)                                                       \
	do {                                                                   \
		if (!(cond))                                                   \
			test_fail(__FILE__, __LINE__, #cond ": " __VA_ARGS__); \
	} while (0)
#define CHECK_EQ(a, b)                                                                        \
	do {                                                                                  \
		long long _a = (a), _b = (b);                                                 \
		if (_a != _b)                                                                 \
			test_fail(__FILE__, __LINE__, "%s is %lld and not %lld", #a, _a, _b); \
	} while (0)

/* What the trace event calls the pool of an address */
#define CHECK_NAME(dev, tlb, want)                                             \
	do {                                                                   \
		const char *_name = subject_pool_name(dev, tlb);               \
		CHECK(_name && !strcmp(_name, want), "it is called %s", _name); \
	} while (0)

/* A size of HI in a swiotlb= value, where there is such a thing */
#ifdef SUBJECT_HAS_HI
#define WITH_HI(size) "," size
#else
#define WITH_HI(...) ""
#endif

#define SLAB ((u64)IO_TLB_SIZE)
#define SEGMENT ((u64)IO_TLB_SEGSIZE << IO_TLB_SHIFT)
#define MB (1024 * 1024ULL)
#define GB (1024 * MB)

/* Memory of a PC: a hole below 4 GiB. On 32 bits, and if @low, low memory only. */
void test_machine(struct sim_machine *machine, u64 low, u64 high, unsigned int cpus);
/* Boots it, with a swiotlb= value or none */
void test_boot(struct sim_machine *machine, const char *param);
/* The same as a Xen domain: memory from 0 on in one piece */
void test_boot_xen(u64 ram, const struct hyp_machine *hyp, const char *param);
struct subject_pool test_pool(int type);
/* All pools consistent, and empty if @empty; no warning was given */
void test_pools(struct device *dev, bool empty);

#endif /* SIM_TEST_H */
