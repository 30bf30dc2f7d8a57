# SPDX-License-Identifier: GPL-2.0-only
"""The mutants apply: each text is found once in the kernel with the series."""
import importlib.util
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
from test_documents import TOP, assembled_tree

FOLDER = os.path.join(TOP, "tools/testing/swiotlb")
LINUX = assembled_tree()

spec = importlib.util.spec_from_file_location("mutants", os.path.join(FOLDER, "mutants.py"))
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)


class MutantsTest(unittest.TestCase):
    def setUp(self):
        self.mutants = program.read_mutants(os.path.join(FOLDER, "mutants"))

    def test_names(self):
        names = [mutant.name for mutant in self.mutants]
        self.assertGreater(len(names), 300)
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual({mutant.variant for mutant in self.mutants}, set(program.VARIANTS))

    @unittest.skipUnless(os.path.isdir(LINUX), f"there is no {LINUX}: make tree")
    def test_texts(self):
        for mutant in self.mutants:
            with open(os.path.join(LINUX, mutant.file), encoding="utf-8") as source:
                wrong, text = program.change(mutant, source.read())
            self.assertIsNone(wrong, mutant.name)
            self.assertNotIn(mutant.old, [mutant.new], f"{mutant.name} changes nothing")
            self.assertTrue(text)


if __name__ == "__main__":
    unittest.main()
