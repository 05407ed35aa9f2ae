"""Inputs of other programs."""
