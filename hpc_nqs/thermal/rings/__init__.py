"""Rings of one cooled wave function: thermal states at R b / 2 from the state at b, and correlations between layers.

See docs/theory/rings.md.
"""
