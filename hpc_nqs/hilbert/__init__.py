"""Configurations, moves and the doubled system."""
