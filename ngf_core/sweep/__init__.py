"""Sweeps: data set × network × attack × method × seed, computed by any launcher."""
