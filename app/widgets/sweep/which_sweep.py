"""Which sweep the page shows: one below the folder of runs, or in any folder of one's own machine.
"""

import re
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from app import state
from app.text import sections
from app.text.outside import plain
from app.widgets.controls.address import choose, text
from ngf_core.errors import RunError, shown
from ngf_core.runs.server_settings import server_settings
from ngf_core.runs.store import BENCHMARK
from ngf_core.sweep.place import sweep_file

TEXT = sections("sweep")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
LONGEST = 1000
ROOT = "."


@dataclass(frozen=True)
class Chosen:
    """The folder of a sweep, its name on screen, and the words that name it to a command.

    listed: its runs are found by their ids, so that pages can open them.
    """

    folder: Path
    name: str
    out: str
    listed: bool


def which_sweep() -> Chosen | None:
    """The sweep of ?sweep=, a folder below that of the runs, or of ?folder=, which only the owner
    of the machine may name; None where there is no sweep at all. Raises RunError for a folder
    without one."""
    root, many = state.store().root, server_settings().for_many
    found = known(root)
    typed = ""
    if many and st.query_params.get("folder"):
        st.caption(f":material/info: {TEXT['for many']}")
    with st.container(horizontal=True, vertical_alignment="bottom", key="sweep_which"):
        name = next(iter(found), None)
        if name is not None and len(found) > 1:
            name = choose("sweep", "Sweep", {word: plain(word) for word in found}, name)
        else:
            state.warn_unknown("sweep", list(found))
        if not many:
            typed = text("folder", "Folder of another sweep", help=TEXT["folder"],
                         placeholder="/shared/runs/benchmark").strip()
    if typed:
        folder = _typed(typed)
        return Chosen(folder, folder.name, _out(folder, root), _listed(folder, root))
    if name is None:
        return None
    folder = found[name]
    return Chosen(folder, name, _out(Path(name) if many else folder, root),
                  _listed(folder, root))


def known(root: Path) -> dict[str, Path]:
    """The sweeps in the folder of runs and in the folders just below it, by name; that of the
    benchmark first."""
    try:
        below = sorted(path for path in root.iterdir() if _NAME.fullmatch(path.name))
    except OSError:
        return {}
    places = {ROOT: root} | {path.name: path for path in below}
    first = {BENCHMARK: root / BENCHMARK} | places
    return {name: path for name, path in first.items() if _has_sweep(path)}


def _has_sweep(folder: Path) -> bool:
    try:
        return sweep_file(folder).is_file()
    except (OSError, ValueError):  # one that must not be read, and a name that cannot be one
        return False


def _typed(words: str) -> Path:
    with suppress(RuntimeError):  # ~ of somebody who is unknown here
        folder = Path(words).expanduser().absolute()
        if len(words) <= LONGEST and _has_sweep(folder):
            return folder
    raise RunError(f"There is no sweep in {shown(words)}. Name the folder of its runs, which "
                   "`ngf sweep` was given with --out.")


def _out(folder: Path, root: Path) -> str:
    """What names the folder to `ngf sweep`; "" where it is the usual one."""
    usual = folder in (root / BENCHMARK, Path(BENCHMARK))
    return "" if usual else f" --out {shlex.quote(str(folder))}"


def _listed(folder: Path, root: Path) -> bool:
    return folder in (root, root / BENCHMARK)
