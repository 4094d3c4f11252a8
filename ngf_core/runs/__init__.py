"""The run directory: a run's settings, progress and results, as plain files.

Workers write it, all other code only reads it. Importing this loads neither torch nor pandas.
"""

from ngf_core.runs.disk import DiskFull
from ngf_core.runs.run import Run
from ngf_core.runs.snapshot import ManifestReadings, StoreSnapshot
from ngf_core.runs.store import SOURCES, RunStore, default_store
from ngf_core.runs.writer import Cancelled, RunWriter

__all__ = ["SOURCES", "Cancelled", "DiskFull", "ManifestReadings", "Run", "RunStore", "RunWriter",
           "StoreSnapshot", "default_store"]
