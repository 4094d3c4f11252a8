"""The dashboard of NGF Lab: reads runs, calls ngf_core, draws. Computes nothing, trains nothing."""
