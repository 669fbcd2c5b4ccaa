"""Colours of pictures: Okabe and Ito's palette, told apart by colour-blind readers too."""

# Without its light blue, which is hard to tell from the dark one in small points.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P")
BLUE, GREY = COLOURS[0], "0.6"
# Of many things, which markers tell apart too.
MANY = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#999999")
# From little to much, told apart in grey print too.
MUCH, SHADES = "viridis", "cividis"
