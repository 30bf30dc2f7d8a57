// SPDX-License-Identifier: GPL-2.0
/*
 * The swiotlb= parameter: every string of its grammar, built from parts that
 * each say what they mean, and a list of strings that are wrong.
 */
#include "test.h"

#include <linux/swiotlb.h>

struct part {
	const char *text;
	unsigned long value;
};

/* As a size of a pool: in slabs, before it is made whole segments */
static const struct part sizes[] = {
	{ "", ~0UL },	   { "0", 0 },	       { "1", 1 },	     { "127", 127 },
	{ "128", 128 },	   { "129", 129 },     { "512", 512 },	     { "0x400", 1024 },
	{ "02000", 1024 }, { "32768", 32768 }, { "524288", 524288 }, { "999", 999 },
};

/* The same, understood with the series only */
static const struct part bytes[] = {
	{ "1k", 1 },	  { "2K", 1 },	    { "3K", 2 }, { "1M", 512 },
	{ "64m", 32768 }, { "1G", 524288 }, { "0G", 0 }, { "0x10M", 8192 },
};

static const struct part areas[] = {
	{ "", ~0UL }, { "0", 1 },   { "1", 1 },	    { "2", 2 },	    { "3", 4 },
	{ "8", 8 },   { "64", 64 }, { "0x10", 16 }, { "100", 128 },
};

static const struct part words[] = { { "", 0 }, { "force", 1 }, { "noforce", 2 } };

static void check_param(const char *text, unsigned long lo, unsigned long nareas, unsigned long hi,
			unsigned int word)
{
	struct sim_machine machine = { .ram = { { 0, 16 * MB } }, .cpus = 2 };
	unsigned long want;

	test_boot(&machine, text);
	want = lo == ~0UL ? 32768 : ALIGN(lo, IO_TLB_SEGSIZE);
	if (nareas != ~0UL) {
		CHECK(subject_areas() == nareas, "%s: %lu areas", text, subject_areas());
		/* One segment an area, at least, and areas of equal size */
		if (want < IO_TLB_SEGSIZE * nareas)
			want = IO_TLB_SEGSIZE * nareas;
		if (!is_power_of_2(want))
			want = roundup_pow_of_two(want);
	} else {
		CHECK(!subject_areas(), "%s: %lu areas", text, subject_areas());
	}
	CHECK(subject_request(SWIOTLB_LO) == want, "%s: LO of %lu slabs, not %lu", text,
	      subject_request(SWIOTLB_LO), want);
	want = hi == ~0UL ? 0 : ALIGN(hi, IO_TLB_SEGSIZE);
	if (BITS_PER_LONG == 32)
		want = 0;
	CHECK(subject_request(SWIOTLB_HI) == want, "%s: HI of %lu slabs, not %lu", text,
	      subject_request(SWIOTLB_HI), want);
	CHECK(subject_forced() == (word == 1) && subject_disabled() == (word == 2), "%s", text);
	if (BITS_PER_LONG == 64)
		CHECK(!sim_log_has("warn:"), "%s", text);
}

/* Every string that was valid before the series means what it did. */
TEST(param_all_valid_strings)
{
	char text[64];

	for (int l = 0; l < ARRAY_SIZE(sizes); l++)
		for (int a = -1; a < (int)ARRAY_SIZE(areas); a++)
			for (int w = 0; w < ARRAY_SIZE(words); w++) {
				const char *areas_text = a < 0 ? "" : areas[a].text;
				unsigned long nareas = a < 0 ? ~0UL : areas[a].value;

				/*
				 * The old parser took an empty item for areas, or a word,
				 * at the end only.
				 */
				snprintf(text, sizeof(text), "%s%s%s%s%s", sizes[l].text,
					 a < 0 ? "" : ",", areas_text, w ? "," : "", words[w].text);
#ifndef SUBJECT_HAS_HI
				if (!*sizes[l].text || (a >= 0 && !*areas_text))
					continue;
#endif
				check_param(text, sizes[l].value, nareas, ~0UL, w);
			}
	check_param("force", ~0UL, ~0UL, ~0UL, 1);
	check_param("noforce", ~0UL, ~0UL, ~0UL, 2);
}

TEST(param_all_valid_strings_with_hi, .needs_hi = true)
{
	struct part all[ARRAY_SIZE(sizes) + ARRAY_SIZE(bytes)];
	char text[96];

	memcpy(all, sizes, sizeof(sizes));
	memcpy(all + ARRAY_SIZE(sizes), bytes, sizeof(bytes));
	for (int l = 0; l < ARRAY_SIZE(all); l++)
		for (int a = 0; a < ARRAY_SIZE(areas); a++)
			for (int h = 0; h < ARRAY_SIZE(all); h++)
				for (int w = 0; w < ARRAY_SIZE(words); w++) {
					snprintf(text, sizeof(text), "%s,%s,%s%s%s", all[l].text,
						 areas[a].text, all[h].text, w ? "," : "",
						 words[w].text);
					check_param(text, all[l].value, areas[a].value,
						    all[h].value, w);
				}
	/* A word may come where a number could. */
	check_param("1M,force", 512, ~0UL, ~0UL, 1);
	check_param(",,force", ~0UL, ~0UL, ~0UL, 1);
	check_param(",,1M,", ~0UL, ~0UL, 512, 0);
	check_param(",,,,,,", ~0UL, ~0UL, ~0UL, 0);
}

/* What is wrong is named, with what happens instead, and the rest counts. */
TEST(param_wrong_strings, .needs_hi = true)
{
	static const struct {
		const char *text, *said;
		unsigned long lo, hi;
		unsigned int warnings;
	} wrong[] = {
		{ "-1", "lo size '-1' is negative, using 32768 slabs", ~0UL, 0, 1 },
		{ "12x", "lo size '12x' is not a number, using 32768 slabs", ~0UL, 0, 1 },
		{ "0x", "lo size '0x' is not a number, using 32768 slabs", ~0UL, 0, 1 },
		{ "1T", "lo size '1T' is not a number, using 32768 slabs", ~0UL, 0, 1 },
		{ "1MM", "lo size '1MM' is not a number, using 32768 slabs", ~0UL, 0, 1 },
		{ "08", "lo size '08' is not a number, using 32768 slabs", ~0UL, 0, 1 },
		{ " 64", "lo size ' 64' is not a number, using 32768 slabs", ~0UL, 0, 1 },
		{ "99999999999999999999", "lo size '99999999999999999999' is too large", ~0UL, 0,
		  1 },
		{ "111111111111111111111111111111111111111111", "is too large", ~0UL, 0, 1 },
		{ "18446744073709551615G", "is too large", ~0UL, 0, 1 },
		{ "17179869184G", "is too large", ~0UL, 0, 1 },
		{ "2147483648", "is too large", ~0UL, 0, 1 },
		{ "512,x", "unknown item 'x' is ignored", 512, 0, 1 },
		{ "512,-2", "number of areas '-2' is negative, using one per CPU", 512, 0, 1 },
		{ "512,2M", "number of areas '2M' is not a number, using one per CPU", 512, 0, 1 },
		{ "512,99999999999", "number of areas '99999999999' is too large", 512, 0, 1 },
		{ "512,,-1", "hi size '-1' is negative, using 0 slabs", 512, 0, 1 },
		{ "512,,1G,2", "unknown item '2' is ignored", 512, 524288, 1 },
		{ "512,forced", "unknown item 'forced' is ignored", 512, 0, 1 },
		{ "Force", "unknown item 'Force' is ignored", ~0UL, 0, 1 },
		{ "force,noforce", "text 'noforce' after 'force' is ignored", ~0UL, 0, 1 },
		{ "force,512", "text '512' after 'force' is ignored", ~0UL, 0, 1 },
		{ "x,y,z", "unknown item 'z' is ignored", ~0UL, 0, 3 },
		{ "-1,-1,-1", "hi size '-1' is negative", ~0UL, 0, 3 },
		{ "-1,-1,1M", "number of areas '-1' is negative", ~0UL, 512, 2 },
	};
	struct sim_machine machine = { .ram = { { 0, 16 * MB } }, .cpus = 2 };

	if (BITS_PER_LONG == 32)
		test_skip("the numbers are those of 64 bits");
	for (int i = 0; i < ARRAY_SIZE(wrong); i++) {
		unsigned long lo = wrong[i].lo == ~0UL ? 32768 : wrong[i].lo;

		test_boot(&machine, wrong[i].text);
		CHECK(sim_log_has(wrong[i].said), "'%s' does not say: %s", wrong[i].text,
		      wrong[i].said);
		CHECK(sim_log_count("warn:") == wrong[i].warnings, "'%s': %u warnings",
		      wrong[i].text, sim_log_count("warn:"));
		CHECK(subject_request(SWIOTLB_LO) == lo, "'%s': %lu", wrong[i].text,
		      subject_request(SWIOTLB_LO));
		CHECK(subject_request(SWIOTLB_HI) == wrong[i].hi, "'%s': %lu", wrong[i].text,
		      subject_request(SWIOTLB_HI));
	}
	/* Known areas are what a wrong number falls back to. */
	test_boot(&machine, ",4");
	subject_param((char[]){ ",x1" });
	subject_param((char[]){ ",1x" });
	CHECK(sim_log_has("number of areas '1x' is not a number, using 4"));
	CHECK_EQ(subject_areas(), 4);
}

/* Largest size that is taken, and that it does not overflow anything */
TEST(param_limits, .needs_hi = true)
{
	struct sim_machine machine = { .ram = { { 0, 16 * MB } }, .cpus = 2 };

	test_boot(&machine, BITS_PER_LONG == 64 ? "2048G,,2048G" : "1048576");
	CHECK_EQ(sim_log_count("warn:"), 0);
	CHECK_EQ(subject_request(SWIOTLB_LO), BITS_PER_LONG == 64 ? 1UL << 30 : 1UL << 20);
	test_boot(&machine, BITS_PER_LONG == 64 ? "1073741825" : "1048577");
	CHECK(sim_log_has("is too large, using 32768 slabs"));
	if (BITS_PER_LONG == 32) {
		test_boot(&machine, ",,1M");
		CHECK(sim_log_has("hi size '1M' needs a 64-bit kernel, using 0 slabs"));
		CHECK_EQ(subject_request(SWIOTLB_HI), 0);
	}
}

TEST(param_without_value, .base_fails = true)
{
	struct sim_machine machine = { .ram = { { 0, 16 * MB } }, .cpus = 2 };

	test_boot(&machine, NULL);
	CHECK(subject_param(NULL) < 0);
	CHECK_EQ(subject_request(SWIOTLB_LO), 32768);
}

/* Later parameters add to earlier ones; a number left out stays. */
TEST(param_twice, .needs_hi = true)
{
	struct sim_machine machine = { .ram = { { 0, 16 * MB } }, .cpus = 2 };

	test_boot(&machine, "1M,2");
	subject_param((char[]){ ",,1M,force" });
	CHECK_EQ(subject_request(SWIOTLB_LO), 512);
	CHECK_EQ(subject_areas(), 2);
	if (BITS_PER_LONG == 64)
		CHECK_EQ(subject_request(SWIOTLB_HI), 512);
	CHECK(subject_forced());
}

/* A comma behind the word was always accepted, and says nothing. */
TEST(param_comma_at_the_end, .needs_hi = true)
{
	unsigned long nslabs[2], nareas;

	CHECK_EQ(subject_parse_warnings("512,force,", nslabs, &nareas), 0);
	CHECK_EQ(subject_parse_warnings("noforce,", nslabs, &nareas), 0);
	CHECK_EQ(subject_parse_warnings("force,x", nslabs, &nareas), 1);
}
