"""manifest.json: the settings of a run, its state and its results.

Read from disk each time. Written through a temporary file under a lock, since the worker and the
process that started it may both change it. It holds no path and no machine name.
"""

import hashlib
import importlib.metadata
import json
import math
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from filelock import FileLock

import ngf_core
from ngf_core.config import Config, config_sha, from_json, to_json
from ngf_core.config.schema1 import migrated
from ngf_core.errors import ConfigError, RunError, shown
from ngf_core.evaluate.rates import Rate, is_rate
from ngf_core.runs.disk import replace_file, telling_full

SCHEMA = 2
# What computes the numbers, as a version of its own. Raise it by hand with every change that alters
# what a run of the same settings computes; `ngf zoo check` then calls the older runs stale. Runs
# from before there was such a number have 0.
ENGINE = 1
STATES = ("queued", "running", "done", "failed", "cancelled")
# The state of a run whose manifest cannot be used; no manifest names it.
CORRUPT = "corrupt"
NAME = "manifest.json"
# In the file alone: the checksum of all other entries. Without it (before there was one, and where
# somebody edited the file and took it out) the entries count as they are.
SHA = "manifest_sha"
_REQUIRED = {"schema": int, "id": str, "kind": str, "config": dict, "state": str, "message": str,
             "created": str, "results": dict, "files": dict}
_OR_NONE = {"pid": int, "pid_started": int | float, "started": str, "finished": str, "source": str,
            "config_sha": str, "askers": list, "versions": dict, "git": dict, "device": str,
            "instructions": str, "threads": int, "data_sha": str, "resumed": list, "lacked": str,
            "foreign": dict, "job": str, "ranks": int, "nodes": int}
_TIMES = ("created", "started", "finished")


def utc_now() -> str:
    """The time as ISO 8601 in UTC, to the millisecond (2026-11-22T10:15:30.123Z)."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_manifest(run_id: str, config: Config, askers: Sequence[str] = (), ranks: int = 1,
                 nodes: int = 1) -> dict[str, Any]:
    """The manifest of a run that has not been started yet, for the browsers that asked for it, to
    be computed by so many ranks on so many nodes."""
    return {
        "schema": SCHEMA, "id": run_id, "kind": config.kind, "config": to_json(config),
        "config_sha": config_sha(config), "source": getattr(config, "source", None),
        "askers": list(askers), "state": "queued", "message": "", "created": utc_now(),
        "started": None, "finished": None, "pid": None, "pid_started": None, "engine": ENGINE,
        "versions": versions(), "git": None, "device": None, "instructions": None,
        "threads": None, "ranks": ranks, "nodes": nodes, "data_sha": None, "resumed": [],
        "lacked": None, "foreign": None, "job": None, "results": {}, "files": {},
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in `folder`, converted to schema 2 where the file has schema 1.

    Raises RunError, naming the file and what to do, where it is missing, is not JSON, differs from
    its checksum, has another schema, lacks an entry, or holds an impossible rate or config.
    """
    try:
        text = (folder / NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _broken(folder, "is missing") from None
    except (OSError, UnicodeDecodeError):
        raise _broken(folder, "cannot be read") from None
    try:
        manifest: dict[str, Any] = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise _broken(folder, f"is not JSON (line {error.lineno})") from None
    except (ValueError, RecursionError):  # NaN, 1e999, thousands of digits, endless nesting
        raise _broken(folder, "is not JSON of a run") from None
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    # Schemas are counted one by one: a number beyond 999 is damage.
    if isinstance(schema, int) and SCHEMA < schema < 1000:
        raise RunError(f"{NAME} of run {folder.name} has schema {schema}, written by a newer NGF "
                       f"Lab; this version reads 1 and {SCHEMA}. Update NGF Lab to read it.")
    if isinstance(manifest, dict) and manifest.pop(SHA, None) not in (None, _sha(manifest)):
        raise _broken(folder, "does not match its own checksum: it is damaged, or was edited (then "
                      f"take its entry {SHA} out)")
    if schema not in (1, SCHEMA):
        raise _broken(folder, f"has schema {schema!r:.40}, this version reads 1 and {SCHEMA}")
    for key, kind in _REQUIRED.items():
        if not isinstance(manifest.get(key), kind):
            raise _broken(folder, f"has no usable entry '{key}'")
    if type(manifest.get("engine", 0)) is not int:
        raise _broken(folder, "has no usable entry 'engine'")
    for key, kinds in _OR_NONE.items():
        if not isinstance(manifest.get(key), kinds | None):
            raise _broken(folder, f"has no usable entry '{key}'")
    _check_entries(folder, manifest)
    try:
        _check_rates(manifest["results"])
    except RunError:
        raise _broken(folder, "holds a rate that is not hits of n images") from None
    if manifest["id"] != folder.name:
        raise _broken(folder, "belongs to another run")
    if manifest["state"] not in STATES:
        raise _broken(folder, f"names the unknown state {manifest['state']!r}")
    try:
        if schema == 1:
            manifest |= {"schema": SCHEMA, "config": migrated(manifest["config"])}
        config = from_json(manifest["config"])
        if schema == 1:
            manifest |= {"config": to_json(config), "config_sha": config_sha(config)}
    except (ConfigError, TypeError) as error:
        raise _broken(folder, f"holds a config this version cannot use ({shown(error, 400)})"
                      ) from None
    if manifest["kind"] != config.kind:
        raise _broken(folder, f"is of a {config.kind} run and says another kind")
    return dict.fromkeys(_OR_NONE) | {"engine": 0, "resumed": []} | manifest


def _finite(text: str) -> float:
    """A number as `encoded` writes it: it could not write infinity back."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _check_entries(folder: Path, manifest: dict[str, Any]) -> None:
    """Raise RunError for a time that is none, a process that cannot be, and names that are not
    text."""
    for key in _TIMES:
        if manifest.get(key) is not None and not _is_time(manifest[key]):
            raise _broken(folder, f"has no usable entry '{key}'")
    for key in ("ranks", "nodes"):
        if manifest.get(key) is not None and not 0 < manifest[key] < 2**31:
            raise _broken(folder, f"has no usable entry '{key}'")
    pid, began = manifest.get("pid"), manifest.get("pid_started")
    if pid is not None and not 0 < pid < 2**31:
        raise _broken(folder, "has no usable entry 'pid'")
    if began is not None and not 0 <= began < 1e12:
        raise _broken(folder, "has no usable entry 'pid_started'")
    for key in ("askers", "files"):
        entries = manifest.get(key) or {}
        values = entries.values() if isinstance(entries, dict) else entries
        if not all(isinstance(value, str) for value in values):
            raise _broken(folder, f"has no usable entry '{key}'")


def _is_time(text: str) -> bool:
    """ISO 8601 with its time zone."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _check_rates(value: Any) -> None:
    if isinstance(value, dict):
        if is_rate(value):
            Rate.from_json(value)
        for entry in value.values():
            _check_rates(entry)


def _broken(folder: Path, what: str) -> RunError:
    return RunError(f"{NAME} of run {folder.name} {what}. "
                    "Delete the run's folder or restore the file from a copy.")


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the whole manifest, with its checksum. Raises DiskFull."""
    replace_file(folder / NAME, encoded(manifest))


def encoded(manifest: dict[str, Any]) -> bytes:
    """The content of manifest.json, with its checksum."""
    signed = manifest | {SHA: _sha(manifest)}
    return json.dumps(signed, indent=1, allow_nan=False).encode() + b"\n"


def _sha(manifest: dict[str, Any]) -> str:
    # Of what the JSON says, so that other spacing is no damage.
    said = json.dumps({k: v for k, v in manifest.items() if k != SHA}, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def change_manifest(folder: Path, **entries: Any) -> dict[str, Any]:
    """Change some entries and return the new manifest. Raises RunError and DiskFull."""
    return change_as_it_is(folder, lambda manifest: entries)


def change_as_it_is(folder: Path, entries: Callable[[dict[str, Any]], dict[str, Any]]
                    ) -> dict[str, Any]:
    """The same for entries that depend on the manifest: nobody changes it between. Where there are
    none, nothing is written."""
    with telling_full(folder / NAME), FileLock(folder.parent / ".manifest.lock"):
        manifest = read_manifest(folder)
        changes = entries(manifest)
        manifest |= changes
        if changes:
            write_manifest(folder, manifest)
    return manifest


def took(manifest: Mapping[str, Any]) -> float | None:
    """Seconds from a run's last start to its end; None where one of them is missing, and where
    they contradict each other because the clock was set back between them."""
    if not manifest["started"] or not manifest["finished"]:
        return None
    began, ended = (datetime.fromisoformat(manifest[key]) for key in ("started", "finished"))
    seconds = (ended - began).total_seconds()
    return seconds if seconds >= 0 else None


def versions() -> dict[str, str]:
    """Versions of the software behind the numbers (from the installation, nothing is imported)."""
    return {"python": platform.python_version(), "torch": importlib.metadata.version("torch"),
            "numpy": importlib.metadata.version("numpy"), "ngf_core": ngf_core.__version__}


def git_state() -> dict[str, Any] | None:
    """Commit and whether the code differs from it; None outside a git checkout of NGF Lab.

    A virtual environment inside another project's checkout is installed, not checked out: its
    ngf_core does not lie at the top of that repository.
    """
    here = str(files("ngf_core"))

    def git(*words: str) -> list[str]:
        done = subprocess.run(("git", *words), cwd=here, capture_output=True, text=True, timeout=10,
                              check=True)
        return done.stdout.splitlines()

    try:
        folder, sha = git("rev-parse", "--show-prefix", "HEAD")
        if folder != "ngf_core/":
            return None
        return {"sha": sha, "dirty": bool(git("status", "--porcelain", "."))}
    except (OSError, subprocess.SubprocessError):
        return None
