"""How workers are started, as settings."""

from dataclasses import dataclass

from ngf_core.errors import ConfigError
from ngf_core.options import check_fields, option
from ngf_core.runs.cores import available_cores as available_cores

SLURM_ONLY = ("partition", "gpus", "minutes", "array_parallelism", "sbatch")


@dataclass(frozen=True)
class LaunchSettings:
    """Where cells are computed, and on what."""

    launcher: str = option("local", "where workers run: processes of this machine, or jobs of "
                           "a Slurm cluster", choices=("local", "slurm"))
    cores: int = option(1, "cores of a cell, on as many threads; another number rounds "
                        "differently", 1, 256)
    workers: int = option(0, "local: cells at a time; 0: as many as have their cores", 0, 1024)
    partition: str = option("", "slurm: partition of the jobs; empty: the cluster's default")
    gpus: int = option(0, "slurm: GPUs of a cell", 0, 16)
    minutes: int = option(120, "slurm: time limit of a job; a training goes on in another one",
                          1, 100_000)
    array_parallelism: int = option(64, "slurm: cells at a time", 1, 10_000)
    sbatch: str = option("", "slurm: further options of sbatch, as account=lab,mem=8G")

    def check(self) -> None:
        """Raise ConfigError for a value that cannot be used."""
        check_fields(self)
        if self.launcher == "local":
            for name in SLURM_ONLY:
                if getattr(self, name) != getattr(LaunchSettings, name):
                    raise ConfigError(name, "is for jobs of Slurm, and workers of this machine "
                                      "are asked for", "Add --launcher slurm, or leave it out.")
        if not all(self.further):
            raise ConfigError("sbatch", f"{self.sbatch!r} has a part without a name",
                              "Write it as account=lab,mem=8G.")

    @property
    def further(self) -> dict[str, str | bool]:
        """The options of `sbatch` by name; True for one without a value."""
        split = [part.strip().lstrip("-").partition("=") for part in self.sbatch.split(",")]
        return {name: value if sign else True for name, sign, value in split} if self.sbatch else {}
