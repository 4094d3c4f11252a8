"""Manifests that no worker wrote: entries changed one by one, files that are no JSON."""

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from ngf_core.cli.tables import described, detailed, runs_table
from ngf_core.errors import NGFError
from ngf_core.runs import ManifestReadings, Run, RunStore, StoreSnapshot
from ngf_core.runs.access import why_not
from ngf_core.runs.lineage import training_of
from ngf_core.runs.manifest import CORRUPT
from ngf_core.runs.queue import Waiting, in_order, last_turns, seconds_until, usual_seconds
from tests.campaigns.hostile.case import TAKEN, Case, Give
from tests.campaigns.hostile.values import TEXTS, anything, holding
from tests.support.fabricated_runs import make_run

SAID = "manifest.json of run .* (Delete the run's folder|restore the file)"
VALUES: dict[str, Any] = {
    "missing": ..., "null": None, "true": True, "-1": -1, "1e999": float("inf"), "a text": "x",
    "a path": "../../etc/passwd", "a list": [1], "an object": {"hits": -1, "n": 0},
    "NaN": float("nan"), "10**400": 10**400}
KEYS = ("schema", "id", "kind", "config", "config_sha", "source", "askers", "state", "message",
        "created", "started", "finished", "pid", "pid_started", "engine", "versions", "git",
        "device", "instructions", "threads", "data_sha", "results", "files")
WHOLE: dict[str, bytes] = {
    "empty": b"", "no JSON": b"{", "a list": b"[]", "a number": b"5", "null": b"null",
    "not UTF-8": b"\xff\xfe{}", "NULs": b"\0" * 100, "nested 100,000 deep": b"[" * 100_000,
    "objects 100,000 deep": b'{"a":' * 100_000, "a number of 10,000 digits": b'{"schema": '
    + b"9" * 10_000 + b"}", "a text of 10 MB": b'"' + b"x" * 10**7 + b'"',
    "HTML": b"<html></html>", "a pickle": b"cos\nsystem\n(S'touch EXECUTED'\ntR."}


def manifests(examples: int, number: int) -> list[Case]:
    """Every key with every value, whole files, and what Hypothesis makes."""
    _fabricated()  # here, so that each case only copies it
    changed = [Case("manifests", f"{key} is {name}", _given(_set(key, value)), f"{SAID}|{TAKEN}")
               for key in KEYS for name, value in VALUES.items()]
    files = [Case("manifests", f"the file is {name}", _given(lambda _, content=content: content),
                  SAID) for name, content in WHOLE.items()]
    return [*changed, *files, Case("manifests", "drawn", _drawn(examples, number), TAKEN,
                                   examples=examples)]


def _set(key: str, value: Any) -> Callable[[dict[str, Any]], bytes]:
    def change(manifest: dict[str, Any]) -> bytes:
        changed = {name: entry for name, entry in manifest.items() if name != key}
        return json.dumps(changed if value is ... else changed | {key: value}).encode()
    return change


def _given(change: Callable[[dict[str, Any]], bytes]) -> Give:
    def give(folder: Path) -> str:
        store, run = _store(folder)
        _write(run, change(run.manifest))
        return _all_that_reads(store, run)
    return give


def _drawn(examples: int, number: int) -> Give:
    from hypothesis import strategies as st

    def give(folder: Path) -> str:
        store, run = _store(folder)
        whole = run.manifest

        def check(changes: dict[str, Any]) -> None:
            _write(run, json.dumps(whole | changes).encode())
            _all_that_reads(store, run)

        return holding(st.dictionaries(st.sampled_from(KEYS), anything | st.sampled_from(TEXTS),
                                       min_size=1, max_size=3), check, examples, number)(folder)
    return give


def _store(folder: Path) -> tuple[RunStore, Run]:
    """A store with a finished run, and one that waits."""
    shutil.copytree(_fabricated(), folder / "runs")
    store = RunStore(folder / "runs", folder / "shipped")
    return store, next(run for run in store.list() if run.state == "done")


@cache
def _fabricated() -> Path:
    folder = tempfile.mkdtemp(prefix="hostile-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    store = RunStore(Path(folder))
    make_run(store, "train", state="queued", seed=1)
    make_run(store, "train", epochs=2)
    _all_that_reads(store, store.list()[0])
    return Path(folder)


def _write(run: Run, content: bytes) -> None:
    (run.path / "manifest.json").write_bytes(content)


def _all_that_reads(store: RunStore, run: Run) -> str:
    """What lists, shows and queues runs, over a store with this one; its message where corrupt."""
    snapshot = StoreSnapshot(store, ManifestReadings())
    runs = snapshot.list()
    assert len(runs) == 2
    assert runs_table(runs) and [described(other) for other in runs]
    whole = [other.manifest for other in runs if other.state != CORRUPT]
    last_turns(whole)
    usual = usual_seconds(whole)
    waiting = [m for m in whole if m["state"] == "queued"]
    in_order([Waiting.of(manifest) for manifest in waiting], last_turns(whole))
    seconds_until([m for m in whole if m["state"] == "running"], waiting, usual, 1)
    why_not(run, "someone")
    if run.state == CORRUPT:
        return run.message
    try:
        detailed(run)
        training_of(run, store)
        json.dumps(run.results)
    except NGFError as error:
        return f"manifest.json of run x: {error} Delete the run's folder"
    return TAKEN
