"""Inputs of HPhi and mVMC."""
