"""The command line `hpc-nqs`: its parser, its commands and their errors."""

from hpc_nqs.cli.parser import build_parser, main

__all__ = ["build_parser", "main"]
