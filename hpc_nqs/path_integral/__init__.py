"""The analytic method: Trotter networks sampled as world lines, extrapolated to dtau = 0."""
