"""The dashboard of NGF Lab: reads runs, calls ngf_core, draws. Computes nothing, trains nothing."""

import os

# Read when torch is loaded, which pages do late. Threads that spin while they wait made the answers
# of a model ten times slower beside a job. Jobs inherit it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
