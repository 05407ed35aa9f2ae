"""Thermal states with deep layers."""
