"""The Party-Building Map: a district's open places, their booking, and the fund that pays."""

import gc

# What is imported stays: looking through it for garbage again and again takes a fifth of the start.
gc.set_threshold(50_000, 10, 10)
