"""The runs of a store as of one moment, for callers that read many facts of many runs at once.

`Run` and `RunStore` read the disk at every access. Here a manifest is read when its run is first
seen, and the reading is kept from snapshot to snapshot for as long as the file stays the same.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ngf_core.config import Config, from_json
from ngf_core.errors import RunError
from ngf_core.runs.manifest import CORRUPT, NAME
from ngf_core.runs.run import LIVE, Run
from ngf_core.runs.store import RunStore

# Inode, modification time in ns, size: a manifest is replaced and never written in place.
Stamp = tuple[int, int, int] | None


@dataclass(frozen=True)
class ManifestReading:
    """A manifest as read, with its file's stamp from just before."""

    stamp: Stamp
    manifest: dict[str, Any]

    @cached_property
    def config(self) -> Config:
        """The config, parsed once. Raises RunError where the manifest is corrupt."""
        if self.manifest["state"] == CORRUPT:
            raise RunError(self.manifest["message"])
        return from_json(self.manifest["config"])


@dataclass(frozen=True)
class ManifestReadings:
    """The newest reading of each manifest, by the run's directory."""

    known: dict[Path, ManifestReading] = field(default_factory=dict)

    def of(self, path: Path) -> ManifestReading:
        """The manifest in `path`; read only where it is not known or its stamp has changed."""
        stamp, known = _stamp(path / NAME), self.known.get(path)
        if known is None or known.stamp != stamp:
            known = self.known[path] = ManifestReading(stamp, Run(path).manifest)
        return known


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


class RunSnapshot(Run):
    """A run whose manifest, state and message are those at the moment of its creation.

    Its other files are read when needed; cancelling and deleting use the state on the disk.
    """

    def __init__(self, path: Path, shipped: bool, readings: ManifestReadings) -> None:
        super().__init__(path, shipped)
        self._readings, self._reading = readings, readings.of(self.path)
        self._status = super().status()
        if self.manifest["state"] in LIVE and not self.live:
            # The worker has ended, and may have written its final state after we read.
            self._reading = readings.of(self.path)
            self._status = super().status()

    @property
    def manifest(self) -> dict[str, Any]:
        """manifest.json as it was; shared, so not to be changed."""
        return self._reading.manifest

    @property
    def config(self) -> Config:
        """The settings, as their dataclass. Raises RunError where the run is corrupt."""
        return self._reading.config

    def status(self) -> tuple[str, str]:
        """State and message as they were."""
        return self._status

    def now(self) -> "RunSnapshot":
        """The run as of now, in its own snapshot."""
        return RunSnapshot(self.path, self.shipped, self._readings)


class StoreSnapshot(RunStore):
    """The runs of `store` as of now; `readings` are those of earlier snapshots."""

    def __init__(self, store: RunStore, readings: ManifestReadings) -> None:
        super().__init__(store.root, store.shipped)
        self._readings = readings
        self._seen: dict[Path, RunSnapshot] = {}
        self._listed: dict[str | None, tuple[Run, ...]] = {None: tuple(super().list())}

    def list(self, kind: str | None = None) -> list[Run]:
        """All runs, newest first; corrupt ones too, unless a kind is given."""
        if kind not in self._listed:
            self._listed[kind] = tuple(run for run in self._listed[None] if run.kind == kind)
        return [*self._listed[kind]]

    def _run(self, path: Path, shipped: bool) -> Run:
        if path not in self._seen:
            self._seen[path] = RunSnapshot(path, shipped, self._readings)
        return self._seen[path]
