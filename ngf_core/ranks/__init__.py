"""Several processes that compute one run: a share of the samples each, and what they tell one
another. A process is called a rank, as torch does."""
