"""Command lines that nobody meant."""

import contextlib
import io
import sys
from pathlib import Path
from unittest.mock import patch

from click import ClickException
from click.exceptions import Exit
from hypothesis import strategies as st
from streamlit.web.cli import main_run

from ngf_core.cli import attacks, benchmark, bundle, compare, zoo
from ngf_core.cli import main as command
from ngf_core.errors import RunError
from ngf_core.launch.launcher import Command
from ngf_core.runs import RunStore, jobs
from tests.campaigns.hostile.case import TAKEN, Case, Give
from tests.campaigns.hostile.values import TEXTS, holding

COMMANDS = ("train", "import", "purify", "spectrum", "landscape", "layers", "runs", "data",
            "export", "audit", "inside", "zoo build", "zoo check", "attacks check",
            "attacks rebuild", "benchmark", "app", "bundle", "bundle open", "bundle check",
            "compare", "sweep", "sweep status", "sweep table", "")
OPTIONS = ("--dataset", "--attack", "--epochs", "--lr", "--methods", "--ngf.kl-bound", "--source",
           "--root", "--weights", "--parameters", "--json", "--detach", "--seed", "--labels",
           "--normalisation", "--builder", "--inside", "--model", "--format", "--out", "--limit",
           "--size", "--target", "--poison-rate", "--arch", "--layer", "--planes", "show", "cancel",
           "delete", "restart", "list", "--no-such-option", "signs", "latest", "folder",
           "--against", "--seeds", "--kinds", "--stages", "--tables", "--workers", "--save",
           "--epoch", "--baseline", "--server.port", "--server.headless", "badnets", "train",
           "cells", "tables")
NAMED = ("--normalisation", "imagenet")
NOT_HERE = "Nothing is computed here."
ODD: dict[str, tuple[str, ...]] = {
    "an unknown command": ("evil",), "an unknown option": ("train", "--evil", "1"),
    "a number that is none": ("train", "--epochs", "nan"),
    "a number of 5,000 digits": ("train", "--seed", "9" * 5000),
    "1e999": ("train", "--lr", "1e999"),
    "a data set that is a path": ("train", "--dataset", "../x"),
    "a source that is a path": ("purify", "../../etc/passwd"),
    "a source with a NUL": ("purify", "a\0b"),
    "a run that is a path": ("runs", "show", "/etc"),
    "deleting what leads out": ("runs", "delete", "../.."),
    "deleting nothing": ("runs", "delete", ""),
    "a model that is a folder": ("import", "/etc", *NAMED),
    "a model that is a device": ("import", "/dev/null", *NAMED),
    "a model with a NUL": ("import", "a\0b", *NAMED),
    "a model that there is not": ("import", "none.pt", *NAMED),
    "weights that are a folder": ("train", "--weights", "/etc"),
    "a root with a NUL": ("train", "--dataset", "cifar10", "--root", "a\0b"),
    "parameters of no attack": ("train", "--attack", "none", "--parameters", "x=1"),
    "parameters that are code": ("train", "--parameters", "__import__('os')=1"),
    "a method that is code": ("purify", "x", "--methods", "__class__"),
    "a format that there is not": ("export", "x", "--format", "exe"),
    "an option without its value": ("train", "--epochs"),
    "a folder that cannot be": ("export", "x", "--out", "/proc/x"),
    "a set that there is not": ("data", "download", "../../x"),
    "an action that there is not": ("runs", "evil"),
    "a comparison with more runs than it has": ("audit", "x", "--against", "y", "z"),
    "a comparison of paths": ("audit", "../../etc", "--against", "/etc"),
    "runs beside one another that are paths": ("compare", "../../etc", "/etc/passwd"),
    "a run beside nothing": ("compare", ""), "a baseline with a NUL": (
        "compare", "x", "y", "--baseline", "a\0b"),
    "a zoo without an action": ("zoo",),
    "a zoo of a data set that is a path": ("zoo", "build", "--datasets", "../x"),
    "a zoo of attacks that are code": ("zoo", "check", "--attacks", "__import__('os')"),
    "a zoo in a folder that cannot be": ("zoo", "build", "--out", "/proc/x"),
    "a zoo of -1 images": ("zoo", "build", "--limit", "-1"),
    "a zoo of -1 epochs": ("zoo", "build", "--epochs", "-1"),
    "a check of an attack that is none": ("attacks", "check", "--attacks", "__class__"),
    "a check of seed -1": ("attacks", "check", "--seeds", "-1"),
    "a check in a folder that is a file": ("attacks", "check", "--out", "/etc/passwd"),
    "a poisoned set of a run that is a path": ("attacks", "rebuild", "../../etc"),
    "a benchmark by -1 processes": ("benchmark", "--workers", "-1"),
    "a benchmark of seed -1": ("benchmark", "--seeds", "-1"),
    "a benchmark of -1 images": ("benchmark", "--limit", "-1"),
    "a benchmark whose tables are a file": ("benchmark", "--tables", "/etc/passwd"),
    "a benchmark in a folder that cannot be": ("benchmark", "--out", "/proc/x"),
    "a stage that there is not": ("benchmark", "--stages", "evil"),
    "a benchmark on no cluster that there is": ("benchmark", "--launcher", "lsf"),
    "a zoo by half a process": ("zoo", "build", "--workers", "0.5"),
    "a sweep of what is no grid": ("sweep", "/etc/passwd"),
    "a sweep of a folder": ("sweep", "/etc", "--dry-run"),
    "a sweep that there is not": ("sweep", "status", "--out", "/proc/x"),
    "a table of no sweep": ("sweep", "table", "--out", "/etc/passwd"),
    "a bundle of a run that is a path": ("bundle", "../../etc"),
    "a bundle of nothing": ("bundle",),
    "a bundle that is a folder": ("bundle", "open", "/etc"),
    "a bundle that is a device": ("bundle", "open", "/dev/null"),
    "a bundle with a NUL": ("bundle", "open", "a\0b"),
    "a bundle checked that there is not": ("bundle", "check", "none.zip"),
    "a bundle against what is no store": ("bundle", "check", "/etc/passwd", "--against", "/x"),
    "a dashboard's option that there is not": ("app", "--evil", "1"),
    "a dashboard at a port that is none": ("app", "--server.port", "x"),
}


def commands(examples: int, number: int) -> list[Case]:
    """The odd ones, and what Hypothesis puts together."""
    fixed = [Case("command line", name, given(words), r"^2: .*\w") for name, words in ODD.items()]
    words = st.lists(st.sampled_from(OPTIONS) | st.sampled_from(TEXTS) | st.text(max_size=12),
                     max_size=6)
    return [*fixed, *(Case("command line", f"{name or 'no command'}, drawn", _drawn(
        st.tuples(st.just(name), words).map(lambda line: [*line[0].split(), *line[1]])
        if name else words, examples, number), TAKEN, examples=examples) for name in COMMANDS)]


def given(words: tuple[str, ...]) -> Give:
    def give(folder: Path) -> str:
        with _alone(folder):
            code, said = _called(list(words))
        assert code == 2, f"it ended with {code}: {said[:200]}"
        assert NOT_HERE not in said, "it would have been computed"
        return f"{code}: {said}"
    return give


def _drawn(lines: st.SearchStrategy, examples: int, number: int) -> Give:
    def check(words: list[str]) -> None:
        code, said = _called(words)
        assert code in (0, 1, 2), f"{words} ended with {code}"
        assert code != 2 or said.strip(), f"{words} ended with 2 and says nothing"
        assert "Traceback" not in said, said

    def give(folder: Path) -> str:
        with _alone(folder):
            return holding(lines, check, examples, number)(folder)
    return give


@contextlib.contextmanager
def _alone(folder: Path):
    """Stores of its own; nothing is computed, served or downloaded."""
    def refuse(*_: object, **__: object) -> None:
        raise RunError(NOT_HERE)

    def alone() -> RunStore:
        return RunStore(folder / "runs", folder / "shipped")

    with contextlib.ExitStack() as changed:
        changed.enter_context(patch.dict("os.environ", {"NGF_RUNS": str(folder / "runs"),
                                                        "NGF_DATA": str(folder)}))
        for holder, name, instead in (
                (jobs, "launch", refuse), (Command, "start", refuse),
                (benchmark, "write_tables", refuse),
                (main_run, "main", _parsed),
                (benchmark, "tables_folder", lambda: folder / "tables"),
                *((module, "default_store", alone)
                  for module in (zoo, attacks, benchmark, bundle, compare))):
            changed.enter_context(patch.object(holder, name, instead))
        changed.enter_context(patch("ngf_core.data.download._watched", refuse))
        yield


def _parsed(words: list[str], prog_name: str) -> None:
    """Streamlit's own reading of its options, without serving."""
    try:
        main_run.make_context(prog_name, words[1:])
    except Exit as ended:
        sys.exit(ended.exit_code)
    except ClickException as error:
        error.show()
        sys.exit(error.exit_code)


def _called(words: list[str]) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = command.main(words)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    return code, err.getvalue()
