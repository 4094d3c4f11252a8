"""The face of NGF Lab: reads runs, asks ngf_core, draws. Computes nothing, trains nothing."""
