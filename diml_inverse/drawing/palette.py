"""Colours of pictures: Okabe and Ito's palette, told apart by colour-blind readers too."""

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
BLUE, GREY = COLOURS[0], "0.6"
