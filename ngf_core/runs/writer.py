"""The writer of a run: the only code that writes into its directory while a worker computes."""

import io
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ngf_core.errors import RunError
from ngf_core.runs.disk import file_sha, replace_file, sweep, telling_full
from ngf_core.runs.events import append_event, curves, finite, mend_events, sync_events
from ngf_core.runs.manifest import change_manifest, git_state, utc_now
from ngf_core.runs.parts import drop_parts, find_part, keep_part
from ngf_core.runs.process import start_time
from ngf_core.runs.run import NO_RESULT, Run
from ngf_core.runs.tensors import encode

if TYPE_CHECKING:
    import numpy as np
    import torch

# Space that is freed when the disk is full, so that the final message can still be written.
_RESERVE = 64 * 1024
_POLL = 0.1


class Cancelled(Exception):
    """The run was requested to stop."""


class RunWriter:
    """Writes one run. Every method may raise DiskFull; what was written before stays readable."""

    def __init__(self, run: Run) -> None:
        self.run, self.path = run, run.path
        self._clock: tuple[int, int, float] | None = None
        self._done = 0
        # The points of an earlier worker, and by how many seconds it was behind this one.
        self._points: dict[tuple[str, int], dict[str, Any]] = {}
        self._behind: dict[str, float] = {}

    # ---- states

    def wait(self, message: str) -> None:
        """The worker is alive and waits its turn; `message` names the run it waits for."""
        self._state("queued", message, **_this_process())

    def begin(self, threads: int | None = None, ranks: int = 1, nodes: int = 1) -> None:
        """The worker starts to compute, or goes on where an earlier one stopped; on how many
        threads, as the first of how many ranks on how many nodes."""
        sweep(self.path)
        mend_events(self.path)
        self._points = {(event["method"], event["step"]): event
                        for event in self.run.events()[0] if event["type"] == "point"}
        replace_file(self._reserve, b"\0" * _RESERVE)
        self._state("running", "", started=utc_now(), git=git_state(), threads=threads,
                    ranks=ranks, nodes=nodes, **_this_process())

    def note(self, **entries: Any) -> None:
        """Record device, instructions, threads or data_sha in the manifest."""
        unknown = set(entries) - {"device", "instructions", "threads", "data_sha"}
        if unknown:
            raise TypeError(f"a manifest has no entry {sorted(unknown)}")
        change_manifest(self.path, **entries)

    def finish(self, results: Mapping[str, Any]) -> None:
        """The run is done: curves, checksums of all files, and the manifest last."""
        events, _ = self.run.events()
        if any(event["type"] == "point" for event in events):
            table = io.BytesIO()
            curves(events).to_parquet(table, index=False)
            replace_file(self.path / "curves.parquet", table.getvalue())
        append_event(self.path, "state", state="done", message="")
        sync_events(self.path)
        files = {p.name: file_sha(p) for p in sorted(self.path.iterdir())
                 if p.is_file() and p.name not in NO_RESULT and not p.name.startswith(".")}
        # Before the manifest: a run that is done may be deleted at once, by anybody.
        self._reserve.unlink(missing_ok=True)
        change_manifest(self.path, state="done", finished=utc_now(), results=dict(results),
                        files=files)
        drop_parts(self.path)

    def fail(self, sentence: str, lacked: str | None = None) -> None:
        """The run failed; `sentence` states why and what to do.

        `lacked` is "disk", "memory" or "process" where it failed for want of it: it can then go on.
        """
        self._end("failed", sentence, lacked=lacked)

    def cancel(self, sentence: str) -> None:
        """The run stopped on request."""
        self._end("cancelled", sentence)

    def _end(self, state: str, sentence: str, lacked: str | None = None) -> None:
        self._reserve.unlink(missing_ok=True)
        self._state(state, sentence, finished=utc_now(), lacked=lacked)
        if lacked is None:
            drop_parts(self.path)

    def _state(self, state: str, message: str, **entries: Any) -> None:
        sync_events(self.path)
        change_manifest(self.path, state=state, message=message, **entries)
        append_event(self.path, "state", state=state, message=message)

    @property
    def _reserve(self) -> Path:
        return self.path / ".reserve"

    # ---- what is computed

    def progress(self, done: int, total: int, text: str, eta: float | None = None) -> None:
        """`done` of `total` steps; `eta` in seconds is estimated from the pace where not given."""
        now = time.monotonic()
        if self._clock is None or self._clock[1] != total or done < self._done:
            self._clock = (done, total, now)
        first, _, since = self._clock
        if eta is None and done > first:
            eta = round((now - since) / (done - first) * (total - done), 1)
        self._done = done
        append_event(self.path, "progress", done=done, total=total, eta=eta, text=text)

    def known(self, method: str, step: int) -> Mapping[str, Any] | None:
        """The point event that an earlier worker wrote for `method` at `step`; None where it wrote
        none."""
        return self._points.get((method, step))

    def again(self, method: str, step: int, seconds: float,
              metrics: Mapping[str, float | None]) -> float:
        """A point that an earlier worker wrote was computed once more: later `seconds` go on from
        those written then, which are returned.

        Raises RunError where one of `metrics` is another number than then. Not on a GPU, where the
        same steps round differently each time.
        """
        then = self._points[method, step]
        self._behind[method] = then["seconds"] - seconds
        if self.run.manifest["device"] != "cpu":
            metrics = {}
        for name, value in finite(dict(metrics)).items():
            if value != then["metrics"].get(name):
                raise RunError(
                    f"The run cannot go on: {method} at step {step} gave {name} = {value}, and "
                    f"{then['metrics'].get(name)} before the run stopped. Processor, threads or "
                    "libraries differ from then. Start the run again.")
        return float(then["seconds"])

    def point(self, method: str, step: int, seconds: float, metrics: Mapping[str, float | None],
              n: Mapping[str, int], predictions: Mapping[str, Any] | None = None) -> float:
        """One point of every curve of `method` after `step` updates and `seconds` of tuning.

        metrics are fractions or losses, n the images behind each rate; predictions are
        {"clean": [[label, confidence], ...], "triggered": [...]} for the sample images. A point
        that an earlier worker wrote is not written twice, see `again`. Returns the seconds as
        written.
        """
        if self.known(method, step) is not None:
            return self.again(method, step, seconds, metrics)
        seconds += self._behind.get(method, 0.0)
        entries = {"method": method, "step": step, "seconds": seconds, "metrics": dict(metrics),
                   "n": dict(n)}
        if predictions is not None:
            entries["predictions"] = dict(predictions)
        append_event(self.path, "point", **entries)
        return seconds

    def keep_part(self, name: str, value: Any) -> None:
        """Keep a finished part (see `parts`), from which the run goes on if this worker dies.

        What it rests on, the events so far, is on the disk before it.
        """
        sync_events(self.path)
        keep_part(self.path, name, value)

    def part(self, name: str) -> Any:
        """The part of that name that an earlier worker kept; None where there is none."""
        return find_part(self.path, name)

    def tensors(self, name: str, tensors: "Mapping[str, torch.Tensor | np.ndarray]") -> None:
        """Write `name`.safetensors."""
        replace_file(self._file(name, ".safetensors"), encode(tensors))

    def arrays(self, name: str, arrays: "Mapping[str, np.ndarray]") -> None:
        """Write `name`.npz (compressed; no Python objects)."""
        import numpy as np

        plain = {key: np.asarray(value) for key, value in arrays.items()}
        for key, value in plain.items():
            if value.dtype.hasobject:
                raise TypeError(f"array {key!r} holds Python objects")
        content = io.BytesIO()
        np.savez_compressed(content, allow_pickle=False, **plain)
        replace_file(self._file(name, ".npz"), content.getvalue())

    def _file(self, name: str, suffix: str) -> Path:
        return self.path / (name.removesuffix(suffix) + suffix)

    # ---- between two steps

    def checkpoint(self) -> float:
        """Call between two steps: waits while the run is paused, returns the seconds waited.

        Raises Cancelled where the run was requested to stop.
        """
        start, waited = time.monotonic(), 0.0
        while True:
            if (self.path / "cancel").exists():
                raise Cancelled
            if not (self.path / "pause").exists():
                break
            time.sleep(_POLL)
            waited = time.monotonic() - start
        if waited and self._clock is not None:
            first, total, since = self._clock
            self._clock = (first, total, since + waited)
        return waited

    def log(self, text: str) -> None:
        """Append to log.txt."""
        with telling_full(self.path / "log.txt"), open(self.path / "log.txt", "a") as file:
            file.write(text.rstrip("\n") + "\n")


def _this_process() -> dict[str, Any]:
    pid = os.getpid()
    return {"pid": pid, "pid_started": start_time(pid)}
