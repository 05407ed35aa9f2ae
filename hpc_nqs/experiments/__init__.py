"""Measured curves, units of experiments, and couplings from both."""
