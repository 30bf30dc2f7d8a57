# SPDX-License-Identifier: GPL-2.0-only
"""Draws the plots: which rows are a curve of which, and gnuplot with plots/NAME.gp."""
import dataclasses
import os
import subprocess
import tempfile
import typing

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "plots")
LICENCE = "<!-- SPDX-License-Identifier: GPL-2.0-only -->\n"
LIMIT = 60


class Failed(Exception):
    """gnuplot did not draw."""


@dataclasses.dataclass
class Curve:
    """The rows of a pick, in the order of a parameter."""
    name: str
    pick: object
    x: str
    y: typing.Callable = lambda value, _x: value

    def points(self, rows):
        """(x, median, lowest, highest), and each x once."""
        points = {}
        for row in self.pick.rows(rows):
            x = row.params[self.pick.kernel].get(self.x)
            if isinstance(x, (int, float)):
                points[x] = sorted(self.y(value, x) for value in self.pick.value(row))
        # A curve of y = 1 / value turns lowest and highest round: sorted puts them right
        return [(x, *(points[x][i] for i in (1, 0, 2))) for x in sorted(points)]


@dataclasses.dataclass
class Plot:
    """A file NAME.svg by plots/NAME.gp; its curves are pairs of base and patched."""
    name: str
    title: str
    curves: list
    tic: typing.Callable = lambda x: f"{x:g}"


def draw(plot, rows, folder):
    """Writes the SVG; False when fewer than two points of any curve were measured."""
    # A curve keeps its colour when another was not measured
    curves = [(str(place), curve.name, curve.points(rows))
              for place, curve in enumerate(plot.curves, 1)]
    curves = [curve for curve in curves if curve[2]]
    if max((len(points) for _, _, points in curves), default=0) < 2:
        return False
    ticks = sorted({point[0] for _, _, points in curves for point in points})
    with tempfile.TemporaryDirectory() as scratch:
        data, out = os.path.join(scratch, "data"), os.path.join(scratch, "out.svg")
        with open(data, "w", encoding="utf-8") as file:
            for _, name, points in curves:
                file.write(f'"{name}"\n')
                file.writelines(" ".join(f"{n:.9g}" for n in point) + "\n" for point in points)
                file.write("\n\n")
        given = "; ".join(f"{name}='{value}'" for name, value in (
            ("data", data), ("out", out), ("heading", plot.title),
            ("curves", " ".join(place for place, _, _ in curves)),
            ("xs", ", ".join(f'"{plot.tic(x)}" {x}' for x in ticks))))
        try:
            # -d: without what the user has set for gnuplot
            done = subprocess.run(["gnuplot", "-d", "-e", given, plot.name + ".gp"], cwd=HERE,
                                  text=True, stdin=subprocess.DEVNULL, capture_output=True,
                                  env=os.environ | {"LC_ALL": "C.UTF-8"}, timeout=LIMIT, check=False)
        except FileNotFoundError as error:
            raise Failed("gnuplot is not installed (package gnuplot-nox)") from error
        except subprocess.TimeoutExpired as error:
            raise Failed(f"gnuplot took more than {LIMIT} s for {plot.name}.svg") from error
        # It goes on after a warning, and then draws something else than what was asked
        if done.returncode or done.stderr.strip() or not os.path.exists(out):
            raise Failed(f"gnuplot, {plot.name}.svg: {done.stderr.strip() or done.returncode}")
        with open(out, encoding="utf-8") as file:
            head, rest = file.read().split("\n", 1)
    with open(os.path.join(folder, plot.name + ".svg"), "w", encoding="utf-8") as file:
        # The title is what a reader hears who does not see
        file.write(f"{head}\n{LICENCE}{rest}".replace("<title>Gnuplot</title>",
                                                     f"<title>{plot.title}</title>"))
    return True
