"""Variational wave functions behind one interface (`params`, `amplitude`, `n_params`, `network`)."""
