# SPDX-License-Identifier: GPL-2.0-only
# What all plots share.  plots.py gives: heading; data, a file of blocks, a curve each: its
# name, then lines "x median lowest highest"; curves, the place of each among the plot's
# curves, which gives its colour; xs, the x tics; out.
set terminal svg size 760,460 dynamic font "sans-serif,14" background rgb "white"
set output out
set title heading
set border 3
set tics nomirror out
set grid ytics lt 1 lc rgb "#dddddd" lw 1
set key outside bottom center horizontal samplen 3 height 0.5
set xlabel offset 0,0.4
set errorbars small
eval "set xtics (" . xs . ")"
# Base warm and patched cold, told apart by the marks' shape as well
array colour[4] = ["#d55e00", "#0072b2", "#c98500", "#56a5d8"]
array shape[4] = [7, 5, 6, 4]
array dash[4] = [1, 1, 2, 2]
place(i) = int(word(curves, i))
# The median, with the lowest and highest run
all = "for [i=1:words(curves)] data index i-1 using 1:2:3:4 with yerrorlines \
lc rgb colour[place(i)] pt shape[place(i)] dt dash[place(i)] lw 2 ps 0.8 title columnheader(1)"
