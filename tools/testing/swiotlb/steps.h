/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A sequence of steps, as bytes: what the random test draws, the fuzzer mutates,
 * and a line of "corpus" holds. Any bytes are a sequence. The first byte chooses
 * the world, see steps.c; each step takes STEP_BYTES.
 */
#ifndef SIM_STEPS_H
#define SIM_STEPS_H

#include "shim.h"

#define STEP_BYTES 8
#define STEPS_WORLDS 15

/* Runs all of them, with all checks; returns the number of steps. */
unsigned long steps_run(const u8 *bytes, size_t len);

#endif /* SIM_STEPS_H */
