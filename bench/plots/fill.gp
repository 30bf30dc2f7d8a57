# SPDX-License-Identifier: GPL-2.0-only
# Time of a map and unmap against how full the pool is.
load "style.gp"
set xlabel "slots in use (percent)"
set ylabel "time (ns)"
set xrange [-4:104]
set logscale y
plot @all
