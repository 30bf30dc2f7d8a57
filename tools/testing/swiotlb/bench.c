// SPDX-License-Identifier: GPL-2.0
/*
 * Measures the allocator: swiotlb-bench CASE [--OPTION VALUE]..., one figure a line:
 * metric, unit, value.
 *
 *   map		map and unmap of --size in a --pool with --filling (--fill percent)
 *   irqs-off	longest time without interrupts in one map, with the same options
 *   threads	the same by --threads, each on a CPU if there are so many, in --areas;
 *		the time is that of one operation of each
 *   look-up	of an address in one of --pools; --added 1: never in the first
 *   set-up	of a pool at boot
 *   overhead	bytes of bookkeeping
 *   exchanges	of a pool as Xen's dom0, machine memory as --layout
 *
 * --hi 1 measures SWIOTLB_HI, where the kernel has it. Sizes may end in K, M or G.
 * Times are of as many operations as fit into --milliseconds, or of --ops. With
 * --counted 1 only what belongs into measured() runs there, once, for
 *
 *   valgrind --tool=callgrind --toggle-collect=measured
 */
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct bench_options opt = {
	.size = 4096,
	.pool = 64 * MB,
	.areas = 1,
	.threads = 1,
	.pools = 1,
	.milliseconds = 100,
	.filling = "empty",
	.layout = "odd",
};

void bench_die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fprintf(stderr, "swiotlb-bench: ");
	vfprintf(stderr, fmt, args);
	fprintf(stderr, "\n");
	va_end(args);
	sim_log_dump();
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void figure(const char *metric, const char *unit, double value)
{
	printf("%s\t%s\t%.9g\n", metric, unit, value);
}

/* Nanoseconds that @n operations take; not inlined, since callgrind knows it by name */
noinline double measured(void (*body)(u64 n), u64 n)
{
	double began = now();

	body(n);
	return now() - began;
}

/* The same of one operation, of as many as asked for */
static double time_of(void (*body)(u64 n))
{
	double ns, enough = opt.milliseconds * 1e6;
	u64 n = opt.ops ?: 1;

	for (;;) {
		ns = measured(body, n);
		if (opt.ops || opt.counted || ns >= enough / 4)
			break;
		n *= ns < enough / 100 ? 8 : 2;
	}
	if (!opt.ops && !opt.counted) {
		n = max_t(u64, n * (enough / ns), 1);
		ns = measured(body, n);
	}
	return ns / n;
}

/* map */

static void map_and_unmap(u64 n)
{
	while (n--) {
		dma_addr_t addr = bench_map(opt.size);

		if (addr == DMA_MAPPING_ERROR)
			bench_die("no room for %llu bytes", opt.size);
		bench_unmap(addr, opt.size);
	}
}

static void case_map(void)
{
	struct subject_pool pool = bench_ready();

	bench_fill(&pool);
	bench_copies = COPY_WINDOW;
	map_and_unmap(3);
	if (opt.counted) {
		measured(map_and_unmap, opt.ops);
		return;
	}
	figure("time", "ns", time_of(map_and_unmap));
	figure("floor", "ns", time_of(bench_floor));
	bench_copies = COPY_NOT;
	figure("time without copies", "ns", time_of(map_and_unmap));
}

/* irqs-off */

static double off_since, off_longest;
static unsigned long off_times;

static void watch_irqs(bool off)
{
	double t = now();

	if (off) {
		off_since = t;
		return;
	}
	off_longest = max(off_longest, t - off_since);
	off_times++;
}

/* The fillings but "last" have no room for what is asked for. */
static void map_once(u64 n)
{
	while (n--) {
		dma_addr_t addr = bench_map(opt.size);
		bool failed = addr == DMA_MAPPING_ERROR;

		sim_irq_hook = NULL;
		if (failed != !!strcmp(opt.filling, "last"))
			bench_die("%s: there is %sroom for %llu bytes", opt.filling,
				  failed ? "no " : "", opt.size);
		if (!failed)
			bench_unmap(addr, opt.size);
	}
}

static void case_irqs_off(void)
{
	struct subject_pool pool = bench_ready();
	double least = 0;

	bench_fill(&pool);
	if (!strcmp(opt.filling, "straddle") || !strcmp(opt.filling, "crossing"))
		bench_dev.seg_boundary = 0xffff;
	if (!strcmp(opt.filling, "crossing"))
		bench_dev.min_align_mask = IO_TLB_SIZE - 1;
	bench_copies = COPY_NOT;
	map_once(1);
	if (opt.counted) {
		measured(map_once, 1);
		return;
	}
	/* In each search the longest; of all searches, that which nothing disturbed */
	for (u64 i = 0; i < (opt.ops ?: 15); i++) {
		off_longest = 0;
		off_times = 0;
		sim_irq_hook = watch_irqs;
		map_once(1);
		if (!i || off_longest < least)
			least = off_longest;
	}
	figure("longest time with interrupts off", "ns", least);
	figure("times interrupts are off", "times", off_times);
}

/* threads */

static pthread_barrier_t barrier;

static void *worker(void *arg)
{
	long cpu = (long)arg, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	phys_addr_t buf = sim_alloc_at(0, GB, PAGE_SIZE, PAGE_SIZE);
	struct device *dev = aligned_alloc(64, ALIGN(sizeof(*dev), 64));
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % cpus, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set))
		bench_die("a thread cannot be kept on CPU %ld", cpu % cpus);
	sim_use_cpu(cpu);
	sim_device(dev, "thread", DMA_BIT_MASK(64));
	memset(phys_to_virt(buf), 1, opt.size);
	pthread_barrier_wait(&barrier);
	for (u64 i = 0; i < opt.ops; i++) {
		phys_addr_t addr = swiotlb_tbl_map_single(dev, buf, opt.size, 0,
							  DMA_BIDIRECTIONAL, 0);

		if (addr == DMA_MAPPING_ERROR)
			bench_die("no room for thread %ld", cpu);
		swiotlb_tbl_unmap_single(dev, addr, opt.size, DMA_BIDIRECTIONAL, 0);
	}
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void case_threads(void)
{
	struct subject_pool pool = bench_ready();
	pthread_t threads[SIM_MAX_CPUS];
	double began;

	/* What memory there is has to be there before. */
	memset(phys_to_virt(pool.start), 0, opt.pool);
	bench_fill(&pool);
	bench_copies = COPY_REALLY;
	opt.ops = opt.ops ?: 1000000 / opt.threads;
	pthread_barrier_init(&barrier, NULL, opt.threads + 1);
	for (u64 i = 0; i < opt.threads; i++)
		if (pthread_create(&threads[i], NULL, worker, (void *)(long)i))
			bench_die("no thread");
	pthread_barrier_wait(&barrier);
	began = now();
	pthread_barrier_wait(&barrier);
	figure("time", "ns", (now() - began) / opt.ops);
	for (u64 i = 0; i < opt.threads; i++)
		pthread_join(threads[i], NULL);
}

/* look-up */

#define ADDRESSES 65536
static phys_addr_t addresses[ADDRESSES];

static void look_up(u64 n)
{
	for (u64 i = 0; i < n; i++)
		if (!swiotlb_find_pool(&bench_dev, addresses[i % ADDRESSES]))
			bench_die("a pool is not found");
}

static void case_look_up(void)
{
	struct subject_pool pools[1024];
	dma_addr_t addr;
	u64 first = opt.added ? 1 : 0, n;

	if (!subject_has_dynamic())
		bench_die("there is one pool, without CONFIG_SWIOTLB_DYNAMIC");
	if (opt.pools + first > ARRAY_SIZE(pools))
		bench_die("--pools: %llu are too many", opt.pools);
	bench_ready();
	for (u64 i = 1; i < opt.pools + first; i++)
		subject_add_pool();
	n = subject_pools(NULL, pools, ARRAY_SIZE(pools));
	if (n != opt.pools + first)
		bench_die("there are %llu pools", n);
	/* The default pool is where memory is handed out first: above 4 GiB. */
	for (u64 i = 0; first && i < n; i++)
		if (pools[i].start >= SZ_4G)
			swap(pools[0], pools[i]);
	for (int i = 0; i < ADDRESSES; i++) {
		struct subject_pool *pool = &pools[first + bench_random() % (n - first)];

		addresses[i] = pool->start + bench_random() % (pool->end - pool->start);
	}
	addr = bench_map(512);
	look_up(ADDRESSES);
	if (opt.counted)
		measured(look_up, opt.ops);
	else
		figure("time", "ns", time_of(look_up));
	bench_unmap(addr, 512);
}

/* set-up, overhead, exchanges */

static void boot_once(u64 n)
{
	bench_boot();
}

static void case_set_up(void)
{
	struct rusage before, after;
	double ns;

	bench_machine(true);
	getrusage(RUSAGE_SELF, &before);
	ns = measured(boot_once, 1);
	getrusage(RUSAGE_SELF, &after);
	if (subject_nslabs(opt.hi ? SWIOTLB_HI : SWIOTLB_LO) != opt.pool >> IO_TLB_SHIFT)
		bench_die("the pool came out smaller");
	after.ru_minflt -= before.ru_minflt;
	figure("time", "ms", ns / 1e6);
	figure("page faults", "faults", after.ru_minflt);
	figure("memory touched", "bytes", after.ru_minflt * (double)PAGE_SIZE);
}

static void case_overhead(void)
{
	struct subject_pool pool = bench_ready();

	figure("bookkeeping", "bytes a slot", (double)subject_overhead(&pool) / pool.nslabs);
	figure("descriptor", "bytes a slot", subject_slot_bytes());
}

static void case_exchanges(void)
{
	static const char *const layouts[HYP_LAYOUTS] = {
		[HYP_IDENTITY] = "identity",
		[HYP_ODD] = "odd",
		[HYP_REVERSED] = "reversed",
		[HYP_SCATTERED] = "scattered",
		[HYP_LOW_IN_MIDDLE] = "low-in-middle",
	};
	struct sim_machine machine = { .cpus = 1, .ram = { { 0, 4 * GB + 2 * opt.pool } } };
	struct hyp_machine hyp = { .low_heap = opt.pool + 256 * MB, .high_heap = opt.pool };
	bool hi = opt.hi;
	char param[64];

	while (hyp.layout < HYP_LAYOUTS && strcmp(opt.layout, layouts[hyp.layout]))
		hyp.layout++;
	if (hyp.layout == HYP_LAYOUTS)
		bench_die("there is no layout '%s'", opt.layout);
	sim_boot(&machine);
	snprintf(param, sizeof(param), hi ? "512,1,%llu" : "%llu,1", opt.pool >> IO_TLB_SHIFT);
	subject_param(param);
	hyp_boot(&machine, &hyp);
	subject_early(true, 0);
	if (subject_nslabs(hi ? SWIOTLB_HI : SWIOTLB_LO) != opt.pool >> IO_TLB_SHIFT)
		bench_die("the pool came out smaller");
	hyp_check();
	figure("exchanges", "segments", hyp_exchanges());
	figure("attempts to exchange", "calls", sim_calls(SIM_FAIL_EXCHANGE));
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "map", case_map },	     { "irqs-off", case_irqs_off },
	{ "threads", case_threads }, { "look-up", case_look_up },
	{ "set-up", case_set_up },   { "overhead", case_overhead },
	{ "exchanges", case_exchanges },
};

static const struct {
	const char *name;
	u64 *number, least, most;
	const char **text;
} options[] = {
	{ "--size", &opt.size, 1, IO_TLB_SEGSIZE << IO_TLB_SHIFT },
	{ "--pool", &opt.pool, MB, 1024 * GB },
	{ "--ops", &opt.ops, 1, U64_MAX },
	{ "--fill", &opt.fill, 0, 100 },
	{ "--areas", &opt.areas, 1, SIM_MAX_CPUS },
	{ "--threads", &opt.threads, 1, SIM_MAX_CPUS },
	{ "--pools", &opt.pools, 1, 1024 },
	{ "--hi", &opt.hi, 0, 1 },
	{ "--added", &opt.added, 0, 1 },
	{ "--counted", &opt.counted, 0, 1 },
	{ "--milliseconds", &opt.milliseconds, 1, 100000 },
	{ "--filling", .text = &opt.filling },
	{ "--layout", .text = &opt.layout },
};

static void set_option(const char *name, const char *value)
{
	unsigned int i = 0;
	u64 number;
	char *end;

	while (i < ARRAY_SIZE(options) && strcmp(options[i].name, name))
		i++;
	if (i == ARRAY_SIZE(options))
		bench_die("there is no option '%s'", name);
	if (!value)
		bench_die("%s: the value is missing", name);
	if (options[i].text) {
		*options[i].text = value;
		return;
	}
	errno = 0;
	number = strtoull(value, &end, 0);
	if (strchr("KMG", *end) && *end)
		number <<= *end == 'K' ? 10 : *end == 'M' ? 20 : 30, end++;
	if (!isdigit((unsigned char)*value) || *end || errno || number < options[i].least ||
	    number > options[i].most)
		bench_die("%s: '%s' is not a number from %llu to %llu", name, value,
			  options[i].least, options[i].most);
	*options[i].number = number;
}

int main(int argc, char **argv)
{
	for (int i = 2; i < argc; i += 2)
		set_option(argv[i], argv[i + 1]);
	if (opt.counted && !opt.ops)
		bench_die("--counted: needs --ops");
#ifndef SUBJECT_HAS_HI
	opt.hi = 0;
#endif
	for (unsigned int i = 0; argc > 1 && i < ARRAY_SIZE(cases); i++) {
		if (!strcmp(cases[i].name, argv[1])) {
			cases[i].run();
			return 0;
		}
	}
	bench_die("there is no case '%s'", argc > 1 ? argv[1] : "");
}
