"""How fast it is: scratch databases, load on them, and the lines that say what was reached."""
