"""A benchmark of two attacks on the tiny signs, made once for all tests."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from ngf_core.cli import benchmark as command
from ngf_core.evidence import entrants, sharpness
from ngf_core.runs import RunStore
from ngf_core.sweep import worker
from tests.support.launching_here import launch_here

ATTACKS = ("badnets", "blend")
ENTRANTS = ("clp", "finetune")


@pytest.fixture(scope="module")
def patched(tiny_data: None, tmp_path_factory: pytest.TempPathFactory
            ) -> Iterator[pytest.MonkeyPatch]:
    """No shipped models (theirs are of another size), few steps, few images to measure on."""
    nothing = RunStore(tmp_path_factory.mktemp("none"), tmp_path_factory.mktemp("shipped"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "default_store", lambda: nothing)
        launch_here(patch, command)
        patch.setattr(command, "ATTACKS", ATTACKS)
        patch.setattr(command, "ENTRANTS", {n: entrants.ENTRANTS[n] for n in ENTRANTS})
        patch.setitem(entrants.CONDITIONS, "steps", 3)
        patch.setitem(entrants.CONDITIONS, "batch_size", 16)
        patch.setattr(sharpness, "IMAGES", 12)
        yield patch


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all files: what the first of them computes, the others find finished."""
    return tmp_path_factory.mktemp("benchmark")


@pytest.fixture(scope="module")
def arguments(folder: Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([
        "--attacks", *ATTACKS, "--defenses", *ENTRANTS, "--seeds", "0", "--workers", "1",
        "--out", str(folder / "runs"), "--tables", str(folder / "tables")])


@pytest.fixture(scope="module")
def finished(patched: pytest.MonkeyPatch, arguments: argparse.Namespace) -> argparse.Namespace:
    """The arguments of a benchmark that has been run."""
    assert command.run(arguments) == 0
    return arguments
