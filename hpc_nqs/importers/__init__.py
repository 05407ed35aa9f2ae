"""Inputs of other programs, and crystals, as inputs of this one."""
