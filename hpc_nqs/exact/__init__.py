"""Exact diagonalization: levels of every symmetry block, thermal averages, tables for comparison."""
