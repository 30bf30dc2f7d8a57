# SPDX-License-Identifier: GPL-2.0-only
"""The report of the benchmark, on samples made up here.

Each bound is tried on figures that keep it, that miss it, and that lack: one that
cannot be missed bounds nothing.
"""
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
import allocator
import bounds
import judge
import plots
import report
import samples


def sample(value, kernel="patched", run=0, **other):
    """A whole sample."""
    return {"level": "allocator", "case": "map", "kernel": kernel, "metric": "time", "unit": "ns",
            "params": {}, "value": value, "run": run} | other


def rows_of(base, patched, **other):
    """Rows of a case with these runs of the two kernels."""
    return samples.rows([sample(v, "base", i, **other) for i, v in enumerate(base)] +
                        [sample(v, "patched", i, **other) for i, v in enumerate(patched)])


def pick(kernel="patched", case="map", **how):
    return judge.Pick("allocator", case, "time", kernel, **how)


class Folder(unittest.TestCase):
    """A folder for files; run() is the program."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = folder.name

    def file(self, *lines):
        path = os.path.join(self.path, "F.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            for line in lines:
                file.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
        return path

    def run_report(self, *arguments):
        """What it says is wrong, and what it prints."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            why = report.main([*arguments, "--out", os.path.join(self.path, "out")])
        return why, out.getvalue()

    def read(self, *names):
        with open(os.path.join(self.path, *names), encoding="utf-8") as file:
            return file.read()


class Load(Folder):
    """Bad lines are named, and stop the report."""

    def test_good(self):
        path = self.file("# a comment", "", sample(1), sample(2.5))
        self.assertEqual([s["value"] for s in samples.load(path)], [1, 2.5])

    def test_malformed(self):
        lacking = sample(1)
        del lacking["unit"]
        for line, why in ((lacking, "no 'unit'"),
                          ('{"level": ', "not JSON"),
                          ("[1]", "not a JSON object"),
                          (sample("fast"), "'value' is 'fast'"),
                          (sample(True), "'value' is True"),
                          (sample(-1), "'value' is -1"),
                          (json.dumps(sample(float("nan"))), "'value' is nan"),
                          (sample(1, run="first"), "'run' is 'first'"),
                          (sample(1, case=" "), "'case' is empty"),
                          (sample(1, params=[]), "'params' is []"),
                          (sample(1, params={"fill": None}), "parameter 'fill' is None"),
                          (sample(1, colour="red"), "unknown field 'colour'")):
            with self.subTest(why):
                path = self.file(sample(1), line)
                with self.assertRaises(samples.Malformed) as caught:
                    samples.load(path)
                self.assertTrue(str(caught.exception).startswith(f"{path}:2: {why}"),
                                caught.exception)
                self.assertEqual(self.run_report(path)[0], str(caught.exception))

    def test_nothing(self):
        path = self.file("# a comment")
        self.assertEqual(self.run_report(path)[0], f"no samples in {path}")
        self.assertIn("No such file", self.run_report(path + "x")[0])


class Rows(unittest.TestCase):
    """What is put side by side."""

    def test_median_and_ratio(self):
        row, = rows_of([10, 30, 20], [4, 1000, 5, 3])
        base, patched = row.figures["base"], row.figures["patched"]
        self.assertEqual((base.median, base.low, base.high), (20, 10, 30))
        self.assertEqual((patched.median, patched.low, patched.high), (4.5, 3, 1000))
        self.assertEqual(row.ratio(), 4.5 / 20)

    def test_no_ratio(self):
        self.assertIsNone(rows_of([], [1])[0].ratio())
        self.assertIsNone(rows_of([1], [])[0].ratio())
        self.assertIsNone(rows_of([0], [1])[0].ratio())

    def test_params_make_rows(self):
        found = samples.rows([sample(fill, kernel, params={"fill": fill, "pool": 4})
                              for kernel in ("base", "patched") for fill in (0, 50)])
        self.assertEqual([row.label for row in found], ["map, fill 0 %", "map, fill 50 %"])
        self.assertEqual([row.ratio() for row in found], [None, 1])

    def test_params_of_one_kernel(self):
        row, = samples.rows([sample(2, "base", params={"pools": 1}),
                             sample(1, params={"pools": 2})])
        self.assertEqual((row.label, row.ratio()), ("map", 0.5))

    def test_what_is_kept_apart(self):
        for other in ({"case": "unmap"}, {"metric": "instructions"}, {"unit": "us"},
                      {"level": "kernel"}):
            found = samples.rows([sample(1, "base"), sample(1, **other)])
            self.assertEqual([row.ratio() for row in found], [None, None], other)

    def test_kernels_in_order(self):
        found = samples.rows([sample(1, name) for name in ("0034", "patched", "0033", "base")])
        self.assertEqual(report.kernels(found), ["base", "patched", "0033", "0034"])
        self.assertIn("| base | patched | 0033 | 0034 |", report.level_table(found))


class Judge(unittest.TestCase):
    """Met, missed, not measured."""

    def result(self, bound, rows):
        return bound.judge(rows).result

    def test_ratio(self):
        bound = judge.Ratio("", 0.5, pick(), pick("base"))
        for base, patched, result in (([10, 10, 90], [5, 5, 9], judge.MET),
                                      ([10, 10, 10], [1, 5.1, 9], judge.MISSED),
                                      ([], [1], judge.UNMEASURED), ([1], [], judge.UNMEASURED),
                                      ([], [], judge.UNMEASURED), ([0], [0], judge.UNMEASURED)):
            self.assertEqual(self.result(bound, rows_of(base, patched)), result)

    def test_spread(self):
        verdict = judge.Ratio("", 1, pick(), pick("base")).judge(rows_of([10, 20, 40], [2, 4, 5]))
        self.assertEqual((verdict.figure, verdict.low, verdict.high), (0.2, 2 / 40, 5 / 10))

    def test_ambiguous(self):
        rows = rows_of([1], [1]) + rows_of([1], [1], case="map 2")
        verdict = judge.Ratio("", 1, pick(case="map.*"), pick("base", "map.*")).judge(rows)
        self.assertEqual(verdict.result, judge.UNMEASURED)
        self.assertEqual(verdict.note, "2 cases fit: map; map 2")

    def test_params(self):
        rows = samples.rows([sample(fill, kernel, params={"fill": fill})
                             for kernel in ("base", "patched") for fill in (1, 2)])
        want = judge.AtMost("", 1, pick(params={"fill": 1}))
        self.assertEqual(self.result(want, rows), judge.MET)
        want.of.params = {"fill": 2}
        self.assertEqual(self.result(want, rows), judge.MISSED)
        want.of.params = {"fill": 3}
        self.assertEqual(self.result(want, rows), judge.UNMEASURED)

    def test_worst_of_best_runs(self):
        rows = rows_of([50, 40], [5, 900]) + rows_of([100, 900], [9, 7, 8], case="map 2")
        bound = judge.Ratio("", 0.07, *(pick(kernel, "map.*", worst=True, best_run=True)
                                        for kernel in ("patched", "base")))
        self.assertEqual(bound.judge(rows).figure, 7 / 100)
        self.assertEqual(self.result(bound, rows), judge.MET)

    def test_falling(self):
        ratios = [judge.Ratio("", 1, pick(case=case), pick("base", case)) for case in "abc"]

        def result(*figures):
            rows = [row for case, figure in zip("abc", figures)
                    for row in rows_of([100], [figure], case=case)]
            return self.result(judge.Falling("", ratios), rows)
        self.assertEqual(result(90, 50, 10), judge.MET)
        self.assertEqual(result(90, 50, 50), judge.MISSED)
        self.assertEqual(result(50, 90, 10), judge.MISSED)
        self.assertEqual(result(90, 50), judge.UNMEASURED)

    def test_zero(self):
        bound = judge.Zero("", pick(), pick("base"))
        for base, patched, result in (([0, 3], [0, 0], judge.MET), ([3], [0, 0, 1], judge.MISSED),
                                      ([0], [0], judge.UNMEASURED), ([0], [1], judge.MISSED),
                                      ([], [0], judge.UNMEASURED), ([1], [], judge.UNMEASURED)):
            self.assertEqual(self.result(bound, rows_of(base, patched)), result)

    def test_nothing_is_met_by_nothing(self):
        verdicts = judge.judge([], bounds.BOUNDS)
        self.assertEqual({verdict.result for verdict in verdicts}, {judge.UNMEASURED})
        self.assertEqual(len(verdicts), len({verdict.what for verdict in verdicts}))


class Names(unittest.TestCase):
    """The cases that the bounds and plots are made of exist."""

    def setUp(self):
        cases = [*allocator.map_cases(False), *allocator.other_cases(False)]
        self.rows = samples.rows([
            sample(1, kernel, case=case.name, metric=metric, params=case.params)
            for case in cases for kernel in ("base", "patched")
            for metric in ("time", "time without copies", "page faults", "bytes per slot", "exchanges") +
            ("instructions",) * bool(case.counted)])

    def test_bounds(self):
        for bound in bounds.BOUNDS:
            if bound.levels() == {"allocator"}:
                self.assertNotEqual(bound.judge(self.rows).result, judge.UNMEASURED,
                                    bound.judge(self.rows))

    def test_plots(self):
        for plot in bounds.PLOTS:
            for curve in plot.curves:
                self.assertGreater(len(curve.points(self.rows)), 3, f"{plot.name}: {curve.name}")


class Program(Folder):
    """The files, and what is an error."""

    def setUp(self):
        super().setUp()
        self.addCleanup(setattr, bounds, "BOUNDS", bounds.BOUNDS)
        bounds.BOUNDS = [judge.Ratio("the map", 0.5, pick(), pick("base"))]

    def test_met(self):
        path = self.file(sample(10, "base"), sample(4))
        why, printed = self.run_report("--bounds", "--measured", "allocator", path)
        self.assertIsNone(why)
        self.assertRegex(printed, r"the map +\| +0\.50 \| +0\.4000 \| .*met")
        self.assertIn("1 met, 0 NOT met, 0 not measured", printed)

    def test_missed(self):
        path = self.file(sample(10, "base"), sample(6))
        why, printed = self.run_report(path)
        self.assertIsNone(why)
        self.assertIn("NOT met", printed)
        self.assertIn("NOT met", self.read("out", "report.md"))
        self.assertEqual(self.run_report("--bounds", path)[0], "bounds not met: the map")

    def test_not_measured(self):
        path = self.file(sample(6))
        why, printed = self.run_report("--bounds", path)
        self.assertIsNone(why)
        self.assertIn("0 met, 0 NOT met, 1 not measured", printed)
        self.assertEqual(self.run_report("--measured", "allocator", path)[0], "not measured: the map")
        self.assertIsNone(self.run_report("--measured", "kernel", path)[0])

    def test_report(self):
        path = self.file(*(sample(v, "base", i) for i, v in enumerate((10, 30, 20))), sample(5))
        head = os.path.join(self.path, "head")
        with open(head, "w", encoding="utf-8") as file:
            file.write("# Of that day\n")
        self.run_report("--head", head, path)
        text = self.read("out", "report.md")
        self.assertTrue(text.startswith("<!-- SPDX-License-Identifier: GPL-2.0-only -->\n\n# Of "))
        self.assertIn("Median (lowest..highest) of 1 to 3 runs.", text)
        self.assertRegex(text, r"map +\| time +\| ns +\| 20 \(10\.\.30\) \| +5 \| +0\.2500 \|")

    def test_publish(self):
        folder = os.path.join(self.path, "results", "day")
        path = self.file(sample(10, "base"), sample(4))
        self.run_report("--publish", folder, path)
        self.assertEqual(sorted(os.listdir(folder)), ["report.md", "samples.jsonl"])
        self.assertEqual(samples.load(os.path.join(folder, "samples.jsonl")), samples.load(path))
        self.addCleanup(setattr, report, "SAMPLES_MAX", report.SAMPLES_MAX)
        report.SAMPLES_MAX = 100
        self.run_report("--publish", folder, path)
        self.assertEqual(sorted(os.listdir(folder)), ["report.md", "summary.jsonl"])
        self.assertIn('"median": 10', self.read("results", "day", "summary.jsonl"))


class Show(unittest.TestCase):
    """Numbers for people."""

    def test_show(self):
        for value, text in ((None, ""), (0, "0"), (2424, "2424"), (2424.0, "2424"), (0.5, "0.5000"),
                            (0.00123, "0.0012"), (2.86e-05, "2.9e-05"), (61.54321, "61.54"), (1234.5, "1234"),
                            (123456.7, "123457"), (float("inf"), "∞")):
            self.assertEqual(report.show(value), text)

    def test_size(self):
        self.assertEqual([samples.size(n) for n in (512, 64 << 20, 4 << 30)],
                         ["512 B", "64 MiB", "4 GiB"])

    def test_table(self):
        self.assertEqual(report.table(["a", "b"], [["x|y", 1]], (1,)),
                         "| a    |   b |\n|------|----:|\n| x\\|y |   1 |\n")


class Draw(Folder):
    """Curves of the rows, by gnuplot."""

    def curve(self, **how):
        return plots.Curve("base", pick("base"), "x", **how)

    def rows(self, *figures):
        return samples.rows([sample(v, "base", params={"x": x}) for x, values in figures
                             for v in values])

    def test_points(self):
        rows = self.rows((8, [3, 1, 2]), (1, [5]))
        self.assertEqual(self.curve().points(rows), [(1, 5, 5, 5), (8, 2, 1, 3)])
        self.assertEqual(self.curve(y=lambda value, x: x / value).points(rows),
                         [(1, 0.2, 0.2, 0.2), (8, 4, 8 / 3, 8)])

    def test_too_little(self):
        plot = plots.Plot("fill", "A title", [self.curve()])
        self.assertFalse(plots.draw(plot, self.rows((1, [5])), self.path))
        self.assertFalse(plots.draw(plot, [], self.path))
        self.assertEqual(os.listdir(self.path), [])

    @unittest.skipUnless(shutil.which("gnuplot"), "needs gnuplot")
    def test_draw(self):
        for plot in bounds.PLOTS:
            lone = plots.Plot(plot.name, "A title", [self.curve()], plot.tic)
            self.assertTrue(plots.draw(lone, self.rows((1, [5]), (2, [6])), self.path))
            text = self.read(plot.name + ".svg")
            self.assertIn("SPDX-License-Identifier", text.split("\n")[1])
            for word in ("base", "A title"):
                self.assertIn(f">{word}<", text.replace("<![CDATA[", "").replace("]]>", ""))

    @unittest.skipUnless(shutil.which("gnuplot"), "needs gnuplot")
    def test_gnuplot_fails(self):
        plot = plots.Plot("no-such", "A title", [self.curve()])
        with self.assertRaisesRegex(plots.Failed, "no-such"):
            plots.draw(plot, self.rows((1, [5]), (2, [6])), self.path)

    def test_gnuplot_warns(self):
        # It draws all the same, but who knows what.
        tool = os.path.join(self.path, "gnuplot")
        with open(tool, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\necho 'empty y range' >&2\n"
                       "echo \"$3\" | grep -o \"out='[^']*\" | cut -c6- | xargs touch\n")
        os.chmod(tool, 0o755)
        path = os.environ["PATH"]
        self.addCleanup(os.environ.update, PATH=path)
        os.environ["PATH"] = self.path + ":" + path
        with self.assertRaisesRegex(plots.Failed, "gnuplot, fill.svg: empty y range"):
            plots.draw(bounds.PLOTS[0], samples.rows(
                [sample(5, case="map 4 KiB, fragmented", params={"fill": x, "pool": 4 << 30})
                 for x in (0, 50)]), self.path)


if __name__ == "__main__":
    unittest.main()
