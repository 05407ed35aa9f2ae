"""Compiled loops over samples and proposals; `reference` holds the same in NumPy."""
