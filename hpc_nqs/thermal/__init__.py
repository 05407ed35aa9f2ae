"""Numerical purification: cooling a wave function of the doubled system."""
