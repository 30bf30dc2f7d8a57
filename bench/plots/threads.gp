# SPDX-License-Identifier: GPL-2.0-only
# Throughput against the number of threads.
load "style.gp"
set xlabel "threads"
set ylabel "maps + unmaps in a second (millions)"
set xrange [0.5:8.5]
set yrange [0:*]
plot @all
