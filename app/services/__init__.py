"""The rules: plain functions over an open transaction; the wings are in pyproject.toml."""
