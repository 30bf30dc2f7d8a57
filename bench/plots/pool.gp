# SPDX-License-Identifier: GPL-2.0-only
# Time of a map and unmap against the size of the pool, at best and at worst.
load "style.gp"
set xlabel "size of the pool"
set ylabel "time (ns)"
set logscale x 2
set logscale y
set format y "10^{%L}"
set offsets graph 0.04, graph 0.04, 0, 0
plot @all
