"""Timings of the kernels and of a step, measured against the processor's peak."""
