"""Rings of one cooled kernel: thermal states at R b / 2 from the wave function at inverse temperature b."""
