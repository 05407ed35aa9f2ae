"""Lattices and lists of bonds: sites, bonds by distance, wave vectors."""
