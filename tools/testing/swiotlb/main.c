// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the tests and speaks KTAP.
 *
 *   swiotlb-sim             all tests
 *   swiotlb-sim NAME...     those whose name begins with one of these
 *   swiotlb-sim -l          lists them
 */
#include "test.h"

#include <linux/swiotlb.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 120 /* limit of a test, unless it says another */

static struct test *tests[256];
static unsigned int nr_tests;
static const char *skipped;

void test_register(struct test *test)
{
	assert(nr_tests < ARRAY_SIZE(tests));
	tests[nr_tests++] = test;
}

/* Returns 'o'k, 'n'ot ok or 's'kip. */
static char run(struct test *test)
{
	pid_t pid;
	int status;

	skipped = NULL;
	if (test->needs_64bit && BITS_PER_LONG != 64)
		skipped = "needs 64 bits";
	if (test->needs_dynamic && !subject_has_dynamic())
		skipped = "needs CONFIG_SWIOTLB_DYNAMIC";
#ifndef SUBJECT_HAS_HI
	if (test->needs_hi)
		skipped = "needs two types of pools";
#endif
	if (skipped)
		return 's';

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (!pid) {
		alarm(test->seconds ? test->seconds : SECONDS);
		test->run();
		fflush(stdout);
		exit(0);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		printf("# not done after %u seconds\n", test->seconds ? test->seconds : SECONDS);
	else if (WIFSIGNALED(status))
		printf("# ended by signal %d\n", WTERMSIG(status));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 4) {
		skipped = "see above";
		return 's';
	}
#ifndef SUBJECT_HAS_HI
	if (test->base_fails)
		return status ? 'o' : 'n';
#endif
	return status ? 'n' : 'o';
}

static bool wanted(const struct test *test, int argc, char **argv)
{
	if (argc == 1)
		return true;
	for (int i = 1; i < argc; i++)
		if (!strncmp(test->name, argv[i], strlen(argv[i])))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	unsigned int n = 0, plan = 0, counts[256] = { 0 };

	if (argc == 2 && !strcmp(argv[1], "-l")) {
		for (unsigned int i = 0; i < nr_tests; i++)
			printf("%s\n", tests[i]->name);
		return 0;
	}
	for (unsigned int i = 0; i < nr_tests; i++)
		plan += wanted(tests[i], argc, argv);
	if (!plan) {
		fprintf(stderr, "error: no test has a name that begins so; -l lists them\n");
		return 2;
	}

	printf("KTAP version 1\n1..%u\n", plan);
	for (unsigned int i = 0; i < nr_tests; i++) {
		struct timespec from, to;
		char result;

		if (!wanted(tests[i], argc, argv))
			continue;
		clock_gettime(CLOCK_MONOTONIC, &from);
		result = run(tests[i]);
		clock_gettime(CLOCK_MONOTONIC, &to);
		counts[(int)result]++;
		printf("%sok %u %s", result == 'n' ? "not " : "", ++n, tests[i]->name);
		if (result == 's')
			printf(" # SKIP %s", skipped);
		else
			printf(" # %ld ms%s",
			       (to.tv_sec - from.tv_sec) * 1000 +
				       (to.tv_nsec - from.tv_nsec) / 1000000,
#ifndef SUBJECT_HAS_HI
			       tests[i]->base_fails ? ", fails before the series, as it should" :
#endif
						      "");
		printf("\n");
	}
	printf("# %u passed, %u failed, %u skipped\n", counts['o'], counts['n'], counts['s']);
	return counts['n'] != 0;
}
