"""Exchange bonds of an input, as `exact_cluster.c` reads them: python -m tests.benchmarks.cluster_bonds INPUT.toml."""

import sys

from hpc_nqs import read_input
from hpc_nqs.settings.system import build


def main(path, *overrides):
    """Print the number of sites and bonds, and i, j, J of every bond of H = sum J S_i.S_j."""
    _, model = build(read_input(path, overrides))
    print(model.n_sites, len(model.exchange_sites))
    for (i, j), element in zip(model.exchange_sites.tolist(), model.exchange_element.tolist(), strict=True):
        print(i, j, 2 * element)


if __name__ == "__main__":
    main(*sys.argv[1:])
