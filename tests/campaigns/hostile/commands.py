"""Command lines that nobody meant."""

import contextlib
import io
from pathlib import Path
from unittest.mock import patch

from hypothesis import strategies as st

from ngf_core.cli import main as command
from ngf_core.errors import RunError
from ngf_core.runs import jobs
from tests.campaigns.hostile.case import TAKEN, Case, Give
from tests.campaigns.hostile.values import TEXTS, holding

COMMANDS = ("train", "import", "purify", "spectrum", "landscape", "layers", "runs", "data",
            "export", "")
OPTIONS = ("--dataset", "--attack", "--epochs", "--lr", "--methods", "--ngf.kl-bound", "--source",
           "--root", "--weights", "--parameters", "--json", "--detach", "--seed", "--labels",
           "--normalisation", "--builder", "--inside", "--model", "--format", "--out", "--limit",
           "--size", "--target", "--poison-rate", "--arch", "--layer", "--planes", "show", "cancel",
           "delete", "restart", "list", "--no-such-option", "signs", "latest", "folder")
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
    "a model that is a folder": ("import", "/etc"),
    "a model that is a device": ("import", "/dev/null"),
    "a model with a NUL": ("import", "a\0b"), "a model that there is not": ("import", "none.pt"),
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
}


def commands(examples: int, number: int) -> list[Case]:
    """The odd ones, and what Hypothesis puts together."""
    fixed = [Case("command line", name, _given(words), r"^2: .*\w") for name, words in ODD.items()]
    words = st.lists(st.sampled_from(OPTIONS) | st.sampled_from(TEXTS) | st.text(max_size=12),
                     max_size=6)
    return [*fixed, *(Case("command line", f"{name or 'no command'}, drawn", _drawn(
        st.tuples(st.just(name), words).map(lambda line: [*filter(None, line[:1]), *line[1]])
        if name else words, examples, number), TAKEN, examples=examples) for name in COMMANDS)]


def _given(words: tuple[str, ...]) -> Give:
    def give(folder: Path) -> str:
        with _alone(folder):
            code, said = _called(list(words))
        assert code == 2, f"it ended with {code}: {said[:200]}"
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
    """A store of its own; no worker is started and nothing is downloaded."""
    def refuse(*_: object, **__: object) -> None:
        raise RunError("No worker is started here.")

    with patch.dict("os.environ", {"NGF_RUNS": str(folder / "runs"), "NGF_DATA": str(folder)}), \
            patch.object(jobs, "launch", refuse), \
            patch("ngf_core.data.download.download", refuse):
        yield


def _called(words: list[str]) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = command.main(words)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    return code, err.getvalue()
