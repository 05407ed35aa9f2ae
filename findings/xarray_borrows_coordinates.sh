#!/usr/bin/env bash
# xarray 2026.9.0 with h5netcdf 1.8.2 and with netCDF4 1.7.5.1.post1: a dataset of an HDF5 file without a dimension scale gets the
# coordinate of another dataset that happens to have its length.
#
# A file holds energies over three temperatures, with the scale `temperature`, and the moments of three sites, with no
# scale. Both readers give the moments the dimension and the coordinate `temperature`; ds.sel(temperature=2.0) then picks
# the second site. With four sites they would have a dimension of their own. The reason is the data model of netCDF, where
# a dimension is a length; HDF5 does not know it. The cure is a scale for every axis.
#
# Seen: h5netcdf ('temperature',) 8.0, netcdf4 ('temperature',) 8.0
#
#   bash findings/xarray_borrows_coordinates.sh       exit code 0: as above; 1: it behaves otherwise now
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check xarray==2026.9.0 h5netcdf==1.8.2 netCDF4==1.7.5.1.post1 h5py==3.16.0 numpy==2.4.6

cd -- "$folder"
seen=$(venv/bin/python - <<'PY'
import h5py
import numpy as np
import xarray

with h5py.File("run.h5", "w") as file:
    temperature = file.create_dataset("temperature", data=np.array([1.0, 2.0, 3.0]))
    temperature.make_scale("temperature")
    file.create_dataset("energy", data=np.array([-0.3, -0.2, -0.1])).dims[0].attach_scale(temperature)
    file.create_dataset("moment_of_site", data=np.array([7.0, 8.0, 9.0]))
found = []
for engine in ("h5netcdf", "netcdf4"):
    with xarray.open_dataset("run.h5", engine=engine) as data:
        found.append(f"{engine} {data.moment_of_site.dims} {float(data.sel(temperature=2.0).moment_of_site)}")
print(", ".join(found))
PY
)
echo "$seen"
[ "$seen" = "h5netcdf ('temperature',) 8.0, netcdf4 ('temperature',) 8.0" ]
