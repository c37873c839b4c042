"""The ways out: protocols, limits, and what providers do wrong."""
