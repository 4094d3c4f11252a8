"""Fisher information of chosen layers: per-sample gradients, matrices, directions, spectra."""

FISHERS = ("true", "empirical", "kfac", "diagonal")
