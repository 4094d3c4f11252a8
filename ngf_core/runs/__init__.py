"""The run directory: everything a run was asked, did and found, as plain files.

Workers write it, everybody else only reads it. Importing this costs no torch and no pandas.
"""

from ngf_core.runs.disk import DiskFull
from ngf_core.runs.run import Run
from ngf_core.runs.snapshot import ManifestReadings, StoreSnapshot
from ngf_core.runs.store import SOURCES, RunStore, default_store
from ngf_core.runs.writer import Cancelled, RunWriter

__all__ = ["SOURCES", "Cancelled", "DiskFull", "ManifestReadings", "Run", "RunStore", "RunWriter",
           "StoreSnapshot", "default_store"]
