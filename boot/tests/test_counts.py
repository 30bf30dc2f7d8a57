# SPDX-License-Identifier: GPL-2.0-only
"""The numbers that scenarios expect are those of the sources."""
import glob
import os
import re
import sys
import unittest

BOOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOP = os.path.dirname(BOOT)
sys.path.insert(0, BOOT)

# pylint: disable=wrong-import-position
import scenario as scenarios

SOURCES = ("kernel/dma/tests/*_kunit.c", "drivers/xen/tests/*_kunit.c")
# Cases may depend on these; in the kernels of the boots they are as said here.
OPTIONS = {"CONFIG_DEBUG_FS": True, "CONFIG_SWIOTLB_XEN": True,
           "CONFIG_ARCH_HAS_PHYS_TO_DMA": False}


def cases(text):
    """The cases of a list, without those that the options leave out."""
    found, conditions = [], []
    for line in text.splitlines():
        line = line.strip()
        if match := re.match(r"#\s*(ifdef|ifndef)\s+(\w+)", line):
            if match[2] not in OPTIONS:
                raise ValueError(f"{match[2]}: not one of OPTIONS; say whether the boots have it")
            conditions.append(OPTIONS[match[2]] == (match[1] == "ifdef"))
        elif re.match(r"#\s*else", line):
            conditions[-1] = not conditions[-1]
        elif re.match(r"#\s*endif", line):
            conditions.pop()
        elif line.startswith("#"):
            raise ValueError(f"{line}: not understood")
        elif match := re.match(r"KUNIT_CASE\w*\((\w+)", line):
            if all(conditions):
                found.append(match[1])
    return found


def suites(text):
    """{suite: number of cases} of a source."""
    lists = {match[1]: len(cases(match[2])) for match in
             re.finditer(r"(?ms)^static struct kunit_case [\w\s]*?(\w+)\[\] = \{\n(.*?)^\};", text)}
    return {match[1]: lists[match[2]] for match in
            re.finditer(r'(?s)struct kunit_suite \w+ = \{[^}]*?\.name = "([^"]+)"'
                        r"[^}]*?\.test_cases = (\w+)", text)}


def in_sources():
    found = {}
    for pattern in SOURCES:
        for path in glob.glob(os.path.join(TOP, pattern)):
            with open(path, encoding="utf-8") as file:
                found.update(suites(file.read()))
    return found


class CountsTest(unittest.TestCase):
    def test_kunit(self):
        """A scenario that runs suites names all of them; those of filter_glob= leave some out."""
        sources = in_sources()
        for name in scenarios.names():
            scenario = scenarios.load(name)
            wanted = {suite: int(number) for suite, number in
                      (line.split() for line in scenario["kunit"])}
            runs = "kunit.enable=1" in scenario["CMDLINE"].split()
            self.assertEqual(wanted, sources if runs else {}, f"scenario {name}")

    def test_selftests(self):
        """Where a script announces a plain number, it is what scenarios expect."""
        for name in scenarios.names():
            for script, number in (line.split() for line in scenarios.load(name)["selftest"]):
                path = os.path.join(TOP, f"tools/testing/selftests/dma/{script}.sh")
                if not os.path.exists(path):
                    continue
                with open(path, encoding="utf-8") as file:
                    plan = re.search(r"(?m)^ktap_set_plan ([0-9]+)$", file.read())
                if plan:
                    self.assertEqual(number, plan[1], f"scenario {name}: {script}")

    def test_conditions(self):
        source = """\
static struct kunit_case __refdata a_cases[] = {
	KUNIT_CASE(a_one),
#ifdef CONFIG_DEBUG_FS
	KUNIT_CASE_SLOW(a_two),
#else
	KUNIT_CASE(a_three),
#endif
#ifndef CONFIG_DEBUG_FS
	KUNIT_CASE(a_four),
#endif
	KUNIT_CASE_PARAM(a_five, a_gen),
	{}
};

static struct kunit_suite a_suite = {
	.name = "a",
	.init = a_init,
	.test_cases = a_cases,
};
"""
        self.assertEqual(suites(source), {"a": 3})
        for wrong in ("#ifdef CONFIG_UNKNOWN", "#if 1"):
            with self.assertRaises(ValueError):
                suites(source.replace("#ifdef CONFIG_DEBUG_FS", wrong))


if __name__ == "__main__":
    unittest.main()
