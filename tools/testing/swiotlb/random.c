// SPDX-License-Identifier: GPL-2.0
/*
 * The random test: draws sequences of steps, runs each in a process of its own,
 * and makes one that fails short.
 *
 *   swiotlb-random [-s SEED] [-n STEPS] [-j PROCESSES]
 *   swiotlb-random FILE...	runs the sequence in each of these files
 */
#define _GNU_SOURCE
#include "steps.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEQUENCE_STEPS 5000
#define SEQUENCE_BYTES (1 + SEQUENCE_STEPS * STEP_BYTES)
#define SECONDS 60 /* limit of one sequence */

static void draw(u64 seed, u8 *bytes)
{
	u64 state = seed * 2685821657736338717ULL + 1442695040888963407ULL;

	for (size_t i = 0; i < SEQUENCE_BYTES; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		bytes[i] = state >> 32;
	}
	bytes[0] = seed; /* the worlds in turn */
}

static pid_t start(const u8 *bytes, size_t len, bool quiet)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid)
		return pid;
	if (quiet) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 1);
		dup2(null, 2);
	}
	alarm(SECONDS);
	steps_run(bytes, len);
	fflush(stdout);
	exit(0);
}

static bool fails(const u8 *bytes, size_t len)
{
	int status;

	waitpid(start(bytes, len, true), &status, 0);
	return status;
}

/* Leaves out what is not needed for the failure: halves, quarters, ... steps. */
static size_t shrink(u8 *bytes, size_t len)
{
	u8 *try = malloc(len);

	for (size_t part = (len / STEP_BYTES + 1) / 2; part; part /= 2) {
		for (size_t at = 1; at + part * STEP_BYTES <= len;) {
			size_t end = at + part * STEP_BYTES;

			memcpy(try, bytes, at);
			memcpy(try + at, bytes + end, len - end);
			if (fails(try, len - part * STEP_BYTES)) {
				len -= part * STEP_BYTES;
				memcpy(bytes, try, len);
			} else {
				at = end;
			}
		}
	}
	free(try);
	return len;
}

static void report(u64 seed)
{
	u8 bytes[SEQUENCE_BYTES];
	size_t len = sizeof(bytes);
	char name[64];
	FILE *file;

	draw(seed, bytes);
	if (!fails(bytes, len)) {
		printf("# seed %llu failed once, and does not again\n", seed);
		return;
	}
	len = shrink(bytes, len);
	snprintf(name, sizeof(name), "failed-%llu.steps", seed);
	file = fopen(name, "w");
	if (file) {
		fwrite(bytes, 1, len, file);
		fclose(file);
	}
	printf("# seed %llu fails; %zu of %d steps are enough, they are in %s: swiotlb-random %s\n",
	       seed, len / STEP_BYTES, SEQUENCE_STEPS, name, name);
	waitpid(start(bytes, len, false), NULL, 0);
}

static int run_files(int argc, char **argv)
{
	unsigned long steps = 0;
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		static u8 bytes[1 << 20];
		FILE *file = fopen(argv[i], "r");
		size_t len;
		int status;

		if (!file) {
			fprintf(stderr, "error: cannot read %s: %s\n", argv[i], strerror(errno));
			return 2;
		}
		len = fread(bytes, 1, sizeof(bytes), file);
		fclose(file);
		waitpid(start(bytes, len, false), &status, 0);
		steps += len / STEP_BYTES;
		if (status) {
			failed++;
			printf("# %s fails\n", argv[i]);
		}
	}
	printf("%sok 1 corpus # %d sequences, %lu steps, %d failed\n", failed ? "not " : "",
	       argc - 1, steps, failed);
	return !!failed;
}

int main(int argc, char **argv)
{
	u64 seed = 1, first, want = 1000000, done = 0, failed = 0;
	struct {
		pid_t pid;
		u64 seed;
	} running[16] = { 0 };
	unsigned int jobs = 1, busy = 0;
	time_t begin = time(NULL), said = begin;
	int opt;

	while ((opt = getopt(argc, argv, "s:n:j:")) != -1) {
		switch (opt) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			want = strtoull(optarg, NULL, 0);
			break;
		case 'j':
			jobs = strtoul(optarg, NULL, 0);
			break;
		default:
			fprintf(stderr,
				"usage: swiotlb-random [-s SEED] [-n STEPS] [-j PROCESSES] | FILE...\n");
			return 2;
		}
	}
	if (jobs < 1 || jobs > ARRAY_SIZE(running)) {
		fprintf(stderr, "error: -j %u: 1 to %zu processes\n", jobs, ARRAY_SIZE(running));
		return 2;
	}
	printf("KTAP version 1\n1..1\n");
	if (optind < argc)
		return run_files(argc, argv);

	first = seed;
	while (done < want || busy) {
		u8 bytes[SEQUENCE_BYTES];
		int status, i;
		pid_t pid;

		if (done + (u64)busy * SEQUENCE_STEPS < want && busy < jobs && failed < 3) {
			for (i = 0; running[i].pid; i++)
				;
			draw(seed, bytes);
			running[i].seed = seed++;
			running[i].pid = start(bytes, sizeof(bytes), true);
			busy++;
			continue;
		}
		if (!busy)
			break;
		pid = wait(&status);
		for (i = 0; running[i].pid != pid; i++)
			;
		running[i].pid = 0;
		busy--;
		done += SEQUENCE_STEPS;
		if (status && failed++ < 3)
			report(running[i].seed);
		if (time(NULL) - said >= 15) {
			said = time(NULL);
			printf("# %llu of %llu steps, %ld s\n", done, want, (long)(said - begin));
		}
	}
	printf("%sok 1 random # %llu steps from seed %llu on, %llu failed, %ld s\n",
	       failed ? "not " : "", done, first, failed, (long)(time(NULL) - begin));
	return !!failed;
}
