"""The Party-Building Map: a district's open places, their booking, and the fund that pays."""
