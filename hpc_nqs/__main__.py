"""Run the command line with `python -m hpc_nqs`."""

import sys

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036, somebody may start the sources with an old Python
        sys.exit("hpc-nqs: needs Python 3.11 or newer, this is Python %d.%d" % sys.version_info[:2])  # noqa: UP031
    from hpc_nqs.cli.parser import main

    sys.exit(main())
