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
