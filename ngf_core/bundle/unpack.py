"""A bundle from elsewhere, read as if somebody meant harm.

This runs in a process of its own (`ngf_core.imports.aside`) and writes nothing that SHA256SUMS does
not vouch for, under no name but those that a bundle has.
"""

import hashlib
import io
import json
import lzma
import re
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet  # noqa: F401  (pandas reads with it, and behind the limits it cannot load)

from ngf_core.bundle.contents import ABOUT, FORMAT, SUMS
from ngf_core.bundle.figures import figures_of
from ngf_core.errors import ConfigError, shown
from ngf_core.runs import Run
from ngf_core.runs.events import curves, read_events
from ngf_core.runs.manifest import read_manifest
from ngf_core.runs.tensors import shapes

MOST_FILES, MOST_BYTES, MOST_BYTES_EACH = 2_000, 1_000_000_000, 300_000_000
MOST_BYTES_JSON = 20_000_000  # read again by the process that asked
MEMORY_GB, SECONDS = 2.0, 120.0
ID = r"[a-z0-9_-]{1,120}"
# Folders of a store that are no runs.
RESERVED = ("benchmark", "check", "claim", "floors")
NAME = re.compile(rf"(bundle\.json|report\.html|reproduce\.sh|requirements\.lock|SHA256SUMS"
                  rf"|(tables|figures)/[a-z0-9_-]{{1,200}}\.csv"
                  rf"|runs/{ID}/(manifest\.json|events\.jsonl|curves\.parquet"
                  rf"|[A-Za-z0-9_]{{1,80}}\.(npz|safetensors)))", re.ASCII)
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")
_AGAIN = "Ask for the bundle again; `ngf bundle RUN` makes one."


def unpack_here(archive: Path, folder: Path) -> dict[str, Any]:
    """Write the bundle's files into `folder` and return what bundle.json says.

    Raises ConfigError for anything but a bundle whose files are those of SHA256SUMS: links, other
    names, names given twice, more than MOST_FILES, MOST_BYTES or MOST_BYTES_EACH, arrays or tables
    that cannot be read, and runs that cannot be drawn.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            files = _checked(_read(opened))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError,
            zlib.error, lzma.LZMAError, struct.error) as error:
        raise _refused(f"it cannot be unpacked ({shown(error)})") from None
    about = _about(files)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name in files:
        _check_readable(folder / name, name)
    for name in about["runs"]:
        _check_drawn(Run(folder / "runs" / name))
    return about


def _read(opened: zipfile.ZipFile) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = MOST_BYTES
    entries = opened.infolist()
    if len(entries) > MOST_FILES or sum(info.file_size for info in entries) > MOST_BYTES:
        raise _refused(f"it is larger than {MOST_FILES:,} files or {MOST_BYTES / 1e9:g} GB")
    for info in entries:
        name = info.filename
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise _refused(f"{ascii(name[:80])} is a link or no plain file")
        if not NAME.fullmatch(name):
            raise _refused(f"{ascii(name[:80])} is no file of a bundle")
        if name in files:
            raise _refused(f"{name} is in it twice")
        with opened.open(info) as source:
            # The directory's sizes may lie, so what really comes is bounded too.
            most = min(MOST_BYTES_JSON if name.endswith(".json") else MOST_BYTES_EACH, left)
            files[name] = source.read(most + 1)
        left -= len(files[name])
        if len(files[name]) > most:
            raise _refused(f"{name} unpacks to more than may be taken")
    return files


def _checked(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files, all of which SHA256SUMS names with their sums."""
    if SUMS not in files:
        raise _refused(f"it has no {SUMS}")
    lines = files[SUMS].decode("ascii", "replace").splitlines()
    told = {match[2]: match[1] for line in lines if (match := _LINE.fullmatch(line))}
    if len(told) != len(lines) or told.keys() != files.keys() - {SUMS}:
        raise _refused(f"{SUMS} and the files do not name each other")
    for name, sha in told.items():
        if hashlib.sha256(files[name]).hexdigest() != sha:
            raise _refused(f"{name} differs from its sum in {SUMS}: it is damaged or was changed")
    return files


def _about(files: dict[str, bytes]) -> dict[str, Any]:
    try:
        about = json.loads(files[ABOUT])
        runs = about["runs"]
        if about["format"] != FORMAT:
            raise _refused(f"it has the format {shown(about['format'], 20)}, and this NGF Lab "
                           f"reads {FORMAT}")
    except (KeyError, TypeError, ValueError, RecursionError):
        raise _refused(f"{ABOUT} is missing or says something else") from None
    there = {name.split("/")[1] for name in files if name.startswith("runs/")}
    if not isinstance(runs, list) or not runs or not all(isinstance(run, str) for run in runs) or (
            len(set(runs)) != len(runs) or set(runs) != there
            or any(f"runs/{run}/manifest.json" not in files for run in runs)):
        raise _refused(f"{ABOUT} and the folders in runs/ do not name each other")
    reserved = there & set(RESERVED)
    if reserved:
        raise _refused(f"{min(reserved)} cannot be the id of a run")
    return {"runs": runs}


def _check_readable(path: Path, name: str) -> None:
    """Read what others will read with libraries, so that what harms them harms only this process.

    An array file is a zip too, and may unpack to more than it seems to hold.
    """
    try:
        if name.endswith(".npz"):
            content = path.read_bytes()
            with zipfile.ZipFile(io.BytesIO(content)) as inner:
                if sum(info.file_size for info in inner.infolist()) > MOST_BYTES_EACH:
                    raise ValueError("it unpacks to more than may be taken")
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                for key in arrays.files:
                    arrays[key]
        elif name.endswith(".parquet"):
            pd.read_parquet(io.BytesIO(path.read_bytes()))
        elif name.endswith(".safetensors"):
            shapes(path)
    except Exception as error:
        raise _refused(f"{name} cannot be read ({shown(error)})") from None


def _check_drawn(run: Run) -> None:
    """Read and draw the run as pages do: numbers of other types or shapes are found here."""
    try:
        if read_manifest(run.path)["state"] == "done":  # else the caller says what it is
            run.points()
            curves(read_events(run.path)[0])
            figures_of(run)
    except Exception as error:
        raise _refused(f"run {run.id} cannot be read ({shown(error)})") from None


def _refused(why: str) -> ConfigError:
    return ConfigError("bundle", why, _AGAIN)
