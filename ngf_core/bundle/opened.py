"""Bundles taken into a store, and read for a comparison."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ngf_core.bundle.contents import SUMS
from ngf_core.errors import ConfigError, NGFError, RunError
from ngf_core.imports.aside import Lost, aside, turn
from ngf_core.runs import Run, RunStore
from ngf_core.runs.archive import packed
from ngf_core.runs.disk import draft_of, file_sha, sync_folder, telling_full
from ngf_core.runs.manifest import read_manifest, utc_now, write_manifest
from ngf_core.runs.server_settings import refuse_readonly


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
            if inside not in (folder / name).resolve().parents:
                raise ValueError(name)
        return packed({name: (folder / name).read_bytes() for name in names})
    except (OSError, ValueError):
        raise ConfigError("bundle", f"{folder} is no unzipped bundle, or not whole",
                          "Name the zip itself.") from None


def _unpacked(archive: Path, folder: Path) -> list[Run]:
    from ngf_core.bundle.unpack import MEMORY_GB, SECONDS

    if not archive.is_file():
        raise ConfigError("bundle", f"there is no file {archive}", "Name a zip of `ngf bundle`.")
    try:
        about = aside("ngf_core.bundle.unpack:unpack_here", archive, folder, memory_gb=MEMORY_GB,
                      seconds=SECONDS)
    except Lost:
        raise NGFError(f"The bundle could not be read within {MEMORY_GB:g} GB of memory and "
                       f"{SECONDS:g} seconds. Bundle fewer runs.") from None
    runs = [Run(folder / "runs" / name) for name in about["runs"]]
    for run in runs:
        _check(run)
    return runs


def _check(run: Run) -> None:
    """Raise ConfigError where the manifest is not of a finished run with these files."""
    try:
        manifest = read_manifest(run.path)
    except RunError as error:
        raise ConfigError("bundle", str(error).rstrip("."), "Ask for it again.") from None
    if manifest["state"] != "done":
        raise ConfigError("bundle", f"run {run.id} is {manifest['state']}",
                          "A bundle holds finished runs.")
    for path in run.path.iterdir():
        if path.name != "manifest.json" and manifest["files"].get(path.name) != file_sha(path):
            raise ConfigError("bundle", f"{path.name} of run {run.id} is not what its manifest "
                              "names", "Ask for the bundle again.")


def _is_there(run: Run, store: RunStore) -> bool:
    try:
        there = store.find(run.id)
    except RunError:
        return False
    told, has = run.manifest, there.manifest
    if any(told[key] != has[key] for key in ("config", "results", "created")):
        raise RunError(f"There is another run {run.id} here, with other settings or results. Open "
                       "the bundle in another folder: set NGF_RUNS to it.")
    return True


def _placed(run: Run, store: RunStore, mark: dict[str, Any]) -> Run:
    write_manifest(run.path, run.manifest | {"askers": [], "pid": None, "pid_started": None,
                                             "foreign": mark})
    return Run(run.path.rename(store.root / run.id))
