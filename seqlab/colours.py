"""The colours of every picture and message: those of Okabe and Ito, which the colour-blind tell apart."""

BLUE, ORANGE, GREEN, SKY, RED, PURPLE, YELLOW, BLACK = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#56b4e9",
    "#d55e00",
    "#cc79a7",
    "#f0e442",
    "#000000",
)
GREY = "#767676"
PALETTE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)
