"""The launcher that settings describe."""

from ngf_core.launch.launcher import Launcher
from ngf_core.launch.local import LocalLauncher
from ngf_core.launch.settings import LaunchSettings
from ngf_core.launch.slurm import SlurmLauncher


def opened(settings: LaunchSettings) -> Launcher:
    """The launcher. Raises ConfigError for a setting that cannot be used."""
    settings.check()
    if settings.launcher == "slurm":
        return SlurmLauncher(settings)
    return LocalLauncher(settings.cores, settings.workers)
