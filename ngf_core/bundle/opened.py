"""Bundles taken into a store, and read for a comparison."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ngf_core.bundle.contents import SUMS
from ngf_core.errors import ConfigError, NGFError, RunError, shown
from ngf_core.imports.aside import Lost, aside, turn
from ngf_core.runs import Run, RunStore
from ngf_core.runs.archive import packed
from ngf_core.runs.disk import draft_of, file_sha, sync_folder, telling_full
from ngf_core.runs.lineage import sources_of
from ngf_core.runs.manifest import CORRUPT, read_manifest, utc_now, write_manifest
from ngf_core.runs.server_settings import refuse_readonly

# What a page could draw as a link or a picture. No run that was computed here writes such words.
_LINK = re.compile(r"\]\(|!\[|//|www\.|<[A-Za-z/!]", re.IGNORECASE)
_AGAIN = "Ask for the bundle again; `ngf bundle RUN` makes one."


@dataclass(frozen=True)
class Taken:
    """The runs that a bundle brought, and those of it that the store had."""

    new: tuple[Run, ...]
    had: tuple[Run, ...]


def take_in(archive: Path, store: RunStore) -> Taken:
    """Put a bundle's runs into the store, under their ids and marked as foreign.

    A run that is there with the same settings and results stays as it is. Raises RunError where
    another one has its id, on a server that only shows and where the store cannot be written,
    ConfigError as `unpack_here` and for manifests that are not of finished runs, DiskFull.
    """
    refuse_readonly()
    store.prepare()
    draft = draft_of(store.root / "bundle")
    with turn(store.root / ".bundle"), telling_full(draft):
        try:
            draft.mkdir()
            runs = _unpacked(archive, draft)
            had = [store.find(run.id) for run in runs if _is_there(run, store)]
            mark = {"bundle": file_sha(archive), "opened": utc_now()}
            # Sources first: a run is never there without what it stands on.
            new = [_placed(run, store, mark) for run in runs if run.id not in {r.id for r in had}]
            sync_folder(store.root)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return Taken(tuple(new), tuple(had))


@contextlib.contextmanager
def read_bundle(path: Path) -> Iterator[list[Run]]:
    """The runs of a bundle, sources first, in a folder that is then removed.

    path: the zip, or the folder that it was unzipped into. Raises ConfigError as `take_in`.
    """
    with tempfile.TemporaryDirectory(prefix="ngf-bundle-") as place:
        archive = path
        if path.is_dir():
            archive = Path(place, "bundle.zip")
            archive.write_bytes(_packed_again(path))
        draft = Path(place, "files")
        draft.mkdir()
        yield _unpacked(archive, draft)


def _packed_again(folder: Path) -> bytes:
    """The files of an unzipped bundle; what else lies beside them is left out."""
    try:
        lines = (folder / SUMS).read_text(encoding="ascii").splitlines()
        names = [SUMS, *(line[66:] for line in lines)]
        inside = folder.resolve()
        for name in names:
            path = (folder / name).resolve()
            if inside not in path.parents or not path.is_file():
                raise ValueError(name)
        return packed({name: (folder / name).read_bytes() for name in names})
    except (OSError, ValueError):
        raise ConfigError("bundle", f"{folder} is no unzipped bundle, or not whole",
                          "Name the zip itself.") from None


def _unpacked(archive: Path, folder: Path) -> list[Run]:
    from ngf_core.bundle.unpack import ID, MEMORY_GB, SECONDS

    if not archive.is_file():
        raise ConfigError("bundle", f"there is no file {archive}", "Name a zip of `ngf bundle`.")
    try:
        about = aside("ngf_core.bundle.unpack:unpack_here", archive, folder, memory_gb=MEMORY_GB,
                      seconds=SECONDS)
    except Lost:
        raise NGFError(f"The bundle could not be read within {MEMORY_GB:g} GB of memory and "
                       f"{SECONDS:g} seconds. Bundle fewer runs.") from None
    # What that process was made to leave is no more trusted than the file that it read.
    if any(path.is_symlink() for path in folder.rglob("*")) or not all(
            isinstance(name, str) and re.fullmatch(ID, name) for name in about["runs"]):
        raise ConfigError("bundle", "it holds what no bundle holds", _AGAIN)
    runs = [Run(folder / "runs" / name) for name in about["runs"]]
    for number, run in enumerate(runs):
        _check(run, RunStore(run.path.parent), runs[:number])
    return runs


def _check(run: Run, bundled: RunStore, before: Sequence[Run]) -> None:
    """Raise ConfigError where the manifest is not of a finished run with these files, or names
    sources that are not among those `before` it."""
    try:
        manifest = read_manifest(run.path)
    except RunError as error:
        raise ConfigError("bundle", str(error).rstrip("."), _AGAIN) from None
    if manifest["state"] != "done":
        raise ConfigError("bundle", f"run {run.id} is {manifest['state']}",
                          "A bundle holds finished runs.")
    if any(of.get("builder") for of in (manifest["config"],
                                        manifest["results"].get("train_config") or {})):
        raise ConfigError("bundle", f"run {run.id} has a network that code of its own builds",
                          "Such code would run here. Ask for the model's file, and import it.")
    if any(_LINK.search(word) for word in _words(manifest)):
        raise ConfigError("bundle", f"the manifest of run {run.id} holds a link or a picture",
                          _AGAIN)
    missing = set(sources_of(run.config)) - {other.id for other in before}
    if missing:
        raise ConfigError("bundle", f"run {run.id} stands on {shown(min(missing))}, which does not "
                          "come before it", _AGAIN)
    try:
        bundled.check_source(run.config)
    except ConfigError as error:
        raise ConfigError("bundle", f"run {run.id} cannot stand on that: {error.why}",
                          _AGAIN) from None
    for path in run.path.iterdir():
        if path.name != "manifest.json" and manifest["files"].get(path.name) != file_sha(path):
            raise ConfigError("bundle", f"{path.name} of run {run.id} is not what its manifest "
                              "names", _AGAIN)


def _words(value: Any) -> Iterator[str]:
    """All text in a manifest, names of entries included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, entry in value.items():
            yield from (name, *_words(entry))
    elif isinstance(value, list):
        for entry in value:
            yield from _words(entry)


def _is_there(run: Run, store: RunStore) -> bool:
    try:
        there = store.find(run.id)
    except RunError:
        if os.path.lexists(store.root / run.id):
            raise RunError(f"{run.id} in {store.root} is no run. Move it away, and open the "
                           "bundle again.") from None
        return False
    told, has = run.manifest, there.manifest
    if has["state"] == CORRUPT:
        raise RunError(f"Run {run.id} is here already, and damaged. {has['message']}")
    if any(told[key] != has[key] for key in ("config", "results", "created")):
        raise RunError(f"There is another run {run.id} here, with other settings or results. Open "
                       "the bundle in another folder: set NGF_RUNS to it.")
    return True


def _placed(run: Run, store: RunStore, mark: dict[str, Any]) -> Run:
    write_manifest(run.path, run.manifest | {"askers": [], "pid": None, "pid_started": None,
                                             "job": None, "foreign": mark})
    return Run(run.path.rename(store.root / run.id))
