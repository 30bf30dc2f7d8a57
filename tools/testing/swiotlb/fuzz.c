// SPDX-License-Identifier: GPL-2.0
/* What libFuzzer drives: the same sequences as the random test. */
#include "steps.h"

int LLVMFuzzerTestOneInput(const u8 *bytes, size_t len);

int LLVMFuzzerTestOneInput(const u8 *bytes, size_t len)
{
	steps_run(bytes, len);
	return 0;
}
