"""One run: a directory that a worker writes and all other code only reads."""

import contextlib
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ngf_core.config import Config, from_json
from ngf_core.errors import RunError
from ngf_core.runs.disk import draft_of, file_sha, folder_size, telling_full
from ngf_core.runs.events import NAME as EVENTS
from ngf_core.runs.events import curves, read_events
from ngf_core.runs.manifest import CORRUPT, read_manifest
from ngf_core.runs.process import is_alive
from ngf_core.runs.residuals import arrays_with_rounding, results_with_rounding
from ngf_core.runs.server_settings import refuse_readonly
from ngf_core.runs.tensors import Base, Stored, decode, shapes, tensors_sha

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch

LIVE = ("queued", "running")
# Files of a run that no computation results in.
NO_RESULT = ("manifest.json", "log.txt", "cancel", "pause", "keep")
Kind = TypeVar("Kind", bound=Config)
Decoded = TypeVar("Decoded")


class Run:
    """A run directory. Holds nothing but its path: every access reads the disk."""

    def __init__(self, path: Path, shipped: bool = False) -> None:
        self.path, self.shipped = Path(path), shipped

    def __repr__(self) -> str:
        return f"Run({self.id})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    @property
    def id(self) -> str:
        """The directory's name."""
        return self.path.name

    def now(self) -> "Run":
        """The run as of now: itself, since every access reads the disk."""
        return self

    # ---- state

    @property
    def manifest(self) -> dict[str, Any]:
        """manifest.json, read from disk. A corrupt run has a stand-in with state "corrupt"."""
        try:
            return read_manifest(self.path)
        except RunError as error:
            return {"id": self.id, "kind": None, "config": {}, "source": None, "state": CORRUPT,
                    "message": str(error), "created": None, "started": None, "finished": None,
                    "results": {}, "files": {}}

    @property
    def kind(self) -> str | None:
        """train, purify, spectrum, landscape or layers; None where the run is corrupt."""
        kind: str | None = self.manifest["kind"]
        return kind

    @property
    def config(self) -> Config:
        """The settings, as their dataclass. Raises RunError where the run is corrupt."""
        return from_json(read_manifest(self.path)["config"])

    def config_as(self, kind: type[Kind]) -> Kind:
        """`config` of a run of this kind. Raises RunError where it is of another, or corrupt."""
        config = self.config
        if not isinstance(config, kind):
            raise RunError(f"Run {self.id} is a {config.kind} run, not a {kind.kind} run. "
                           f"Choose a {kind.kind} run.")
        return config

    @property
    def results(self) -> dict[str, Any]:
        """The final numbers; empty until the run is done."""
        manifest = self.manifest
        results: dict[str, Any] = manifest["results"]
        return results_with_rounding(results) if manifest["kind"] == "spectrum" else results

    @property
    def state(self) -> str:
        """queued, running, done, failed, cancelled, lost (its worker died) or corrupt."""
        return self.status()[0]

    @property
    def message(self) -> str:
        """One sentence that goes with the state; often empty."""
        return self.status()[1]

    @property
    def live(self) -> bool:
        """True while it waits or computes."""
        return self.state in LIVE

    def status(self) -> tuple[str, str]:
        """State and message of one moment, from one reading of the disk."""
        manifest = self.manifest
        state, message, pid = manifest["state"], manifest["message"], manifest.get("pid")
        if state in LIVE and manifest.get("job"):
            # Of a process on another machine the cluster knows whether it lives, see `job`.
            return state, message or f"Job {manifest['job']} of the cluster."
        if state not in LIVE or is_alive(pid, manifest.get("pid_started")):
            return state, message
        # The worker may have written its final state between our two readings.
        manifest = self.manifest
        if manifest["state"] not in LIVE:
            return manifest["state"], manifest["message"]
        if (self.path / "cancel").exists():
            return "cancelled", f"Cancelled {self.reached()}."
        if state == "queued" and pid is None:
            return state, message
        return "lost", f"The worker died {self.reached()}. Let it go on, or start it again."

    def reached(self) -> str:
        """How far it got, as the end of a sentence: at step 40 of 100; the curves until ..."""
        progress = self.progress()
        if progress is None:
            return "before its first step"
        return f"at step {progress['done']} of {progress['total']}; the curves until then are kept"

    # ---- what it wrote

    def events(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The events from byte `offset` on, and the offset for the next call.

        Raises RunError where the run is done and its events differ from what it wrote.
        """
        if EVENTS in self.manifest["files"]:
            self._checked(EVENTS)
        return read_events(self.path, offset)

    def progress(self) -> dict[str, Any] | None:
        """The last progress event: done, total, eta (seconds or None), text."""
        return next((e for e in reversed(self.events()[0]) if e["type"] == "progress"), None)

    def points(self) -> "pd.DataFrame":
        """The curves as a long table: method, step, seconds, metric, value, n.

        From curves.parquet where the run is done, else from the events so far.
        """
        if not self.has("curves.parquet"):
            return curves(self.events()[0])
        import pandas as pd

        return pd.read_parquet(io.BytesIO(self._read("curves.parquet")))

    def predictions(self) -> list[dict[str, Any]]:
        """The point events that carry predictions for the sample images, in order."""
        return [e for e in self.events()[0] if e["type"] == "point" and e.get("predictions")]

    def has(self, name: str) -> bool:
        """True where a file `name` exists (the suffix may be left out)."""
        return any((self.path / (name + suffix)).is_file() for suffix in ("", *_SUFFIXES))

    def missing(self) -> list[str]:
        """The files that the manifest of a done run lists and its directory no longer has."""
        there = {path.name for path in self.path.iterdir()}
        return [name for name in self.manifest["files"] if name not in there]

    def tensors(self, name: str) -> "dict[str, torch.Tensor]":
        """All tensors of `name`.safetensors, those of half precision as float32.

        Raises RunError where the file is missing or damaged, and where it holds only what differs
        from a file of another run that is not beside this one or has changed.
        """
        name = name.removesuffix(".safetensors")
        stored = self._stored(name)
        return stored.own if stored.base is None else self._based(name, stored.base) | stored.own

    def shapes(self, name: str) -> dict[str, tuple[int, ...]]:
        """The shapes of those tensors by name, from the files' headers alone.

        Raises RunError where a file is missing or its header cannot be read.
        """
        name = name.removesuffix(".safetensors")
        try:
            own, base = shapes(self._existing(f"{name}.safetensors"))
        except (OSError, ValueError, KeyError) as error:
            raise self._damaged(f"{name}.safetensors") from error
        return own if base is None else self._beside(name, base).shapes(base.file) | own

    def _stored(self, name: str) -> Stored:
        return self._decode(name, ".safetensors", decode)

    def _based(self, name: str, base: Base) -> "dict[str, torch.Tensor]":
        """The tensors of the file that `name` completes."""
        stored = self._beside(name, base)._stored(base.file)
        if stored.base is not None or tensors_sha(stored.own) != base.sha:
            raise RunError(f"{base.file}.safetensors of run {base.run} no longer holds the tensors "
                           f"that {name}.safetensors of run {self.id} completes. Restore run "
                           f"{base.run} from a copy, or make run {self.id} again.")
        return stored.own

    def _beside(self, name: str, base: Base) -> "Run":
        run = Run(self.path.parent / base.run, self.shipped)
        if run.path.parent != self.path.parent or not run.has(f"{base.file}.safetensors"):
            raise RunError(f"{name}.safetensors of run {self.id} holds only what differs from "
                           f"{base.file}.safetensors of run {base.run}, and that file is not "
                           f"there. Restore run {base.run} beside it, or make it again.")
        return run

    def content(self, name: str) -> bytes:
        """The bytes of a file, as the run wrote it. Raises RunError where it is missing or
        damaged."""
        return self._read(name)

    def arrays(self, name: str) -> "dict[str, np.ndarray]":
        """The arrays of `name`.npz. Raises RunError where it is missing or damaged."""
        spectrum = self.kind == "spectrum" and name.removesuffix(".npz") == "spectrum"
        dtype = self.results.get("dtype", "") if spectrum else ""
        return self._decode(name, ".npz",
                            lambda content: arrays_with_rounding(_load_npz(content), dtype))

    def _decode(self, name: str, suffix: str, decode: Callable[[bytes], Decoded]) -> Decoded:
        name = name.removesuffix(suffix) + suffix
        content = self._read(name)
        try:
            return decode(content)
        except Exception as error:
            raise self._damaged(name) from error

    def _read(self, name: str) -> bytes:
        return self._checked(name).read_bytes()

    def _checked(self, name: str) -> Path:
        path = self._existing(name)
        expected = self.manifest["files"].get(name)
        if expected is not None and file_sha(path) != expected:
            raise self._damaged(name)
        return path

    def _existing(self, name: str) -> Path:
        path = self.path / name
        if not path.is_file():
            hint = "Wait for it" if self.live else "Start the run again or restore the file"
            raise RunError(f"Run {self.id} has no file {name} (its state is {self.state}). {hint}.")
        return path

    def _damaged(self, name: str) -> RunError:
        return RunError(f"{name} of run {self.id} is damaged: it differs from what the run wrote. "
                        "Delete the run's folder or restore the file from a copy.")

    # ---- what can be done with it

    def cancel(self) -> None:
        """Ask the worker to stop. Raises RunError where nothing runs."""
        self._must_live("cancelled")
        with self._writing("cancelled"):
            (self.path / "cancel").touch()

    def pause(self) -> None:
        """Ask the worker to wait before its next step. Raises RunError where nothing runs."""
        self._must_live("paused")
        with self._writing("paused"):
            (self.path / "pause").touch()

    def resume(self) -> None:
        """Let a paused worker continue. Raises RunError for a shipped run."""
        self._must_be_ours("resumed")
        self._must_live("resumed")
        with self._writing("resumed"):
            (self.path / "pause").unlink(missing_ok=True)

    @property
    def paused(self) -> bool:
        """True while a live worker is requested to wait."""
        return (self.path / "pause").exists() and self.live

    def size(self) -> int:
        """Bytes of its files."""
        return folder_size(self.path)

    @property
    def kept(self) -> bool:
        """True while it must not be deleted: a shipped run, and one that `keep` was called for."""
        return self.shipped or (self.path / "keep").exists()

    def keep(self) -> None:
        """Refuse to delete it from now on. Raises RunError for a shipped run."""
        self._must_be_ours("changed")
        with self._writing("changed"):
            (self.path / "keep").touch()

    def let_go(self) -> None:
        """Let it be deleted again. Raises RunError for a shipped run."""
        self._must_be_ours("changed")
        with self._writing("changed"):
            (self.path / "keep").unlink(missing_ok=True)

    def delete(self) -> None:
        """Delete the directory. Raises RunError for a shipped run, a live one and a kept one."""
        self._must_be_ours("deleted")
        if self.kept:
            raise RunError(f"Run {self.id} is kept. Let it go before you delete it.")
        state = self.now().state
        if state in LIVE:
            raise RunError(f"Run {self.id} is {state}. Cancel it before you delete it.")
        # A hidden name first, so that no listing shows a half-deleted run.
        hidden = draft_of(self.path)
        with self._writing("deleted"):
            self.path.rename(hidden)
            shutil.rmtree(hidden)

    def _must_live(self, verb: str) -> None:
        self._must_be_ours(verb)
        state = self.now().state
        if state not in LIVE:
            raise RunError(f"Run {self.id} cannot be {verb}: it is already {state}.")

    @contextlib.contextmanager
    def _writing(self, verb: str) -> Iterator[None]:
        """Turn what a read-only or full disk answers into a sentence."""
        try:
            with telling_full(self.path):
                yield
        except OSError as error:
            raise RunError(f"Run {self.id} cannot be {verb}: its folder cannot be written "
                           f"({error.strerror}). Make it writable, or use a copy.") from error

    def _must_be_ours(self, verb: str) -> None:
        refuse_readonly()
        if self.shipped:
            raise RunError(f"Run {self.id} ships with NGF Lab and cannot be {verb}.")


_SUFFIXES = (".safetensors", ".npz", ".parquet")


def _load_npz(content: bytes) -> "dict[str, np.ndarray]":
    import numpy as np

    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}
