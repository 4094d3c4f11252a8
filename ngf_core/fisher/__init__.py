"""Fisher information of one layer: per-sample gradients, matrices, natural directions, spectra."""

FISHERS = ("true", "empirical", "kfac", "diagonal")
