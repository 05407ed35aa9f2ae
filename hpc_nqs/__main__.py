"""Run the command line with `python -m hpc_nqs`."""

import sys

from hpc_nqs.cli import main

if __name__ == "__main__":
    sys.exit(main())
