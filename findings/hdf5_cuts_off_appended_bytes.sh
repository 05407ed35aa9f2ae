#!/usr/bin/env bash
# HDF5 2.0.0 (h5py 3.16.0): bytes behind the end of an HDF5 file are ignored when it is read, and cut off when it is
# opened for writing and closed again, although nothing is written.
#
# A program that appends a note to an HDF5 file (a digest, a signature, a second archive) therefore loses it as soon as
# somebody opens the file with mode "r+" or "a" to look at it. The bytes of HDF5 itself do not change.
#
# Seen: written 2128, appended 2141, after "r" 2141, after "r+" 2128, same bytes as written True
#
#   bash findings/hdf5_cuts_off_appended_bytes.sh       exit code 0: as above; 1: it behaves otherwise now
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check h5py==3.16.0 numpy==2.4.6

cd -- "$folder"
seen=$(venv/bin/python - <<'PY'
from pathlib import Path

import h5py
import numpy as np

path = Path("file.h5")
with h5py.File(path, "w") as file:
    file["x"] = np.arange(10.0)
written = path.read_bytes()
path.write_bytes(written + b"appended note")
sizes = [len(written), path.stat().st_size]
for mode in ("r", "r+"):
    with h5py.File(path, mode) as file:
        assert file["x"][3] == 3.0
    sizes.append(path.stat().st_size)
same = path.read_bytes() == written
print("written %d, appended %d, after \"r\" %d, after \"r+\" %d, same bytes as written %s" % (*sizes, same))
PY
)
echo "$seen"
[ "$seen" = 'written 2128, appended 2141, after "r" 2141, after "r+" 2128, same bytes as written True' ]
