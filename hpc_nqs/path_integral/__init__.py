"""The analytic method: Trotter networks sampled as world lines, at dtau = 0 or extrapolated to it."""
