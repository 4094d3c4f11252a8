"""reproduce.sh: the commands of a bundle's runs, each on the code of the commit that it ran on."""

import dataclasses
import re
import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import PurePath
from typing import Any

from ngf_core.config import ImportConfig, ModelConfig
from ngf_core.config.command import command_words, ranks_words
from ngf_core.runs import Run

_COMMIT = re.compile(r"[0-9a-f]{40}")


def script(runs: Sequence[Run], here: Mapping[str, Any] | None) -> bytes:
    """The script for runs in the order given, sources first.

    here: the commit of the code that makes the bundle, whose `ngf bundle check` compares.
    """
    shape = files("ngf_core.bundle").joinpath("reproduce.sh").read_text(encoding="utf-8")
    variables = {run.id: f"run_{place}" for place, run in enumerate(runs, 1)}
    steps = "\n".join(_step(run, variables, place, len(runs)) for place, run in enumerate(runs, 1))
    return shape.replace("@STEPS@", steps).replace("@CHECK@", _commit(here)).encode()


def _step(run: Run, variables: Mapping[str, str], place: int, many: int) -> str:
    manifest = run.manifest
    threads = manifest["threads"]
    commit = manifest["git"] or {}
    lines = [f"say {shlex.quote(f'Run {place} of {many}: {run.id}')}"]
    if commit.get("dirty") or _commit(commit) == "HEAD":
        lines.append("say 'Its code was not that of a commit, so the numbers may differ.'")
    lines += [f"on_commit {_commit(commit)}", f"on_threads {int(threads or 0)}",
              f"{variables[run.id]}=$(compute {' '.join(_words(run, variables))})"]
    return "\n".join(lines) + "\n"


def _words(run: Run, variables: Mapping[str, str]) -> list[str]:
    """The command's words behind `python -m ngf_core`, quoted for a shell; sources are the
    variables with their new ids. Folders of the machine it ran on are left out."""
    config = run.config
    if isinstance(config, ModelConfig):
        config = dataclasses.replace(config, root="")
    # The commit's defaults may be others than those of today.
    words = command_words(config, run.manifest["config"])[3:]
    if (run.manifest["nodes"] or 1) == 1:  # of several, this machine is one at most
        words += ranks_words(run.manifest)
    quoted = [f'"${variables[word]}"' if word in variables else shlex.quote(word)
              for word in words]
    if isinstance(config, ImportConfig):
        # The file is not in the bundle.
        quoted[1] = f'"$NGF_FILES"/{shlex.quote(PurePath(config.file).name)}'
    return quoted


def _commit(git: Mapping[str, Any] | None) -> str:
    """The commit's name; HEAD where there is none, or something else stands in its place."""
    sha = (git or {}).get("sha")
    return sha if isinstance(sha, str) and _COMMIT.fullmatch(sha) else "HEAD"
