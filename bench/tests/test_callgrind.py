# SPDX-License-Identifier: GPL-2.0-only
"""What is counted as whose, in a file as callgrind writes it."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import callgrind  # noqa: E402

FILE = """\
# callgrind format
version: 1
positions: line
events: Ir
summary: 1000

ob=(1) /somewhere/swiotlb-bench
fl=(1) /tools/bench.c
fn=(1) measured
10 1
+2 1
cfi=(2) /kernel/dma/swiotlb.c
cfn=(2) swiotlb_tbl_map_single
calls=5 700
* 900

fl=(2)
fn=(2)
700 100
fi=(3) /include/linux/swiotlb.h
20 30
fe=(2)
-3 5
cob=(2) /lib/libc.so.6
cfi=(4) ???
cfn=(3) __memcpy_avx_unaligned_erms
calls=5 0
* 400

fl=(5) /tools/machine.c
fn=(4) spin_lock
7 50

fl=(6) /tools/bench-pool.c
fn=(5) bench_memcpy
9 20
"""
COPY = """
ob=(2)
fl=(4)
fn=(3)
0 400
"""


class Split(unittest.TestCase):
    def test_own_and_inlined_lines_are_the_allocators(self):
        self.assertEqual(callgrind.split(FILE)[1], 135)

    def test_calls_are_counted_where_they_lead(self):
        self.assertEqual(callgrind.split(FILE)[0], 185)

    def test_copies_are_known_by_a_name_that_a_call_gave(self):
        self.assertEqual(callgrind.split(FILE + COPY), (585, 135, 400))


if __name__ == "__main__":
    unittest.main()
