"""Rings of a cooled wave function: thermal states at inverse temperatures that are multiples of its own."""
