// SPDX-License-Identifier: GPL-2.0
/* What tests, the random test and the fuzzer share: failing, and booting a machine. */
#include "test.h"

#include <linux/swiotlb.h>
#include <unistd.h>

void test_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("# %s:%d: ", file, line);
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	sim_log_dump();
	fflush(stdout);
	abort();
}

void test_skip(const char *why)
{
	printf("# SKIP %s\n", why);
	fflush(stdout);
	exit(4);
}

unsigned int test_stride(void)
{
	const char *stride = getenv("SIM_STRIDE");

	return stride ? max(atoi(stride), 1) : 1;
}

void test_machine(struct sim_machine *machine, u64 low, u64 high, unsigned int cpus)
{
	*machine = (struct sim_machine){ .cpus = cpus };
	machine->ram[0] = (struct range){ 0, low };
	if (high && BITS_PER_LONG == 64)
		machine->ram[1] = (struct range){ SZ_4G, SZ_4G + high };
}

void test_boot(struct sim_machine *machine, const char *param)
{
	char value[128];

	sim_boot(machine);
	if (param) {
		snprintf(value, sizeof(value), "%s", param);
		subject_param(value);
	}
}

void test_boot_xen(u64 ram, const struct hyp_machine *hyp, const char *param)
{
	struct sim_machine machine = { .cpus = 2, .ram = { { 0, ram } } };

	test_boot(&machine, param);
	hyp_boot(&machine, hyp);
}

struct subject_pool test_pool(int type)
{
	struct subject_pool pools[8];
	int n = subject_pools(NULL, pools, ARRAY_SIZE(pools));

	for (int i = n; i--;)
		if (pools[i].type == type)
			return pools[i];
	return (struct subject_pool){ 0 };
}

void test_pools(struct device *dev, bool empty)
{
	static struct subject_pool pools[1024];
	int n = subject_pools(dev, pools, ARRAY_SIZE(pools));

	for (int i = 0; i < n; i++) {
		unsigned long last = DIV_ROUND_UP(pools[i].nslabs, IO_TLB_SEGSIZE) - 1;
		const char *wrong = subject_inconsistent(&pools[i], 0, last, true);

		CHECK(!wrong, "pool %d: %s", i, wrong);
		for (unsigned long s = 0; empty && s < pools[i].nslabs; s++)
			CHECK(subject_slot_free(&pools[i], s), "pool %d: slot %lu is in use", i, s);
	}
	CHECK(!sim_warnings(), "%u warnings", sim_warnings());
}
