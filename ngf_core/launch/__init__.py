"""Handing tasks to workers: processes of this machine, or jobs of a Slurm cluster."""
