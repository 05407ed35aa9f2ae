"""Error bars: jackknife, autocorrelation of Markov chains, fits."""
