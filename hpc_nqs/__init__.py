"""Thermal and ground states of quantum spin lattices with neural-network wave functions."""

__version__ = "0.1.0"
