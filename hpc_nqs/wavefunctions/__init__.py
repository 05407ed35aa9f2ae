"""Variational wave functions behind one protocol, `wavefunction.Wavefunction`."""
