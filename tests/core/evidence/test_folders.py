"""Folders of tables: which there are, what their protocols say, and the command of each."""

import json
import shlex

import pytest

from ngf_core.attacks import ATTACKS
from ngf_core.cli import benchmark
from ngf_core.cli.main import _parser as parser_of
from ngf_core.config import TrainConfig
from ngf_core.errors import NGFError
from ngf_core.evidence import TABLES
from ngf_core.evidence.entrants import CLAIMED, ENTRANTS
from ngf_core.evidence.folders import (
    SEEDS,
    Grid,
    Protocol,
    command_for,
    folders,
    grid_of,
    main_of,
    read_protocol,
)
from ngf_core.runs.names import ZOO_ARCH
from tests.support.fabricated_benchmark import cells
from tests.support.fabricated_sizes import write

ALL = (tuple(ATTACKS), tuple(ENTRANTS))
USUAL = ("signs", ZOO_ARCH, TrainConfig.limit, TrainConfig.epochs)


def test_the_main_folder_is_always_named_the_others_where_they_have_cells(tmp_path):
    (tmp_path / "sizes" / "empty").mkdir(parents=True)
    assert folders(tmp_path) == {"main": tmp_path}
    write(tmp_path / "sizes" / "signs-mini", "mini_preact_resnet")
    write(tmp_path / "fresh", ZOO_ARCH, seeds=(3, 4))
    assert folders(tmp_path) == {"main": tmp_path, "fresh": tmp_path / "fresh",
                                 "signs-mini": tmp_path / "sizes" / "signs-mini"}


def test_a_folder_of_sizes_cannot_hide_the_others(tmp_path):
    for name in ("main", "fresh"):
        write(tmp_path / "sizes" / name, "mini_preact_resnet")
    write(tmp_path / "fresh", ZOO_ARCH)
    assert folders(tmp_path) == {"main": tmp_path, "fresh": tmp_path / "fresh"}


def test_each_folder_belongs_to_the_main_one(tmp_path):
    assert main_of(tmp_path) == tmp_path == main_of(tmp_path / "sizes/signs-mini")
    fresh = tmp_path / "fresh"
    assert main_of(fresh) == fresh, "somebody's own folder of that name"
    (tmp_path / "protocol.json").write_text("{}")
    assert main_of(fresh) == tmp_path


def test_a_protocol_tells_its_models_and_command(tmp_path):
    assert read_protocol(tmp_path) is None
    (tmp_path / "protocol.json").write_text(json.dumps(
        {"dataset": "signs", "arch": ZOO_ARCH, "seeds": [3, 4], "command": "compute it",
         "train": {"limit": 500, "epochs": 8}}))
    assert read_protocol(tmp_path) == Protocol("signs", ZOO_ARCH, (3, 4), 500, 8, "compute it")


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"dataset": "signs"}',
                                  '{"dataset": "signs", "arch": "x", "seeds": 3}',
                                  '{"dataset": "signs", "arch": "x", "seeds": [Infinity]}',
                                  "[" * 100_000,
                                  '{"dataset": "signs", "arch": "x", "seeds": [], "train": 3}'])
def test_a_damaged_protocol_is_told(tmp_path, text):
    (tmp_path / "protocol.json").write_text(text)
    with pytest.raises(NGFError, match="protocol.json is damaged. Restore it from a copy"):
        read_protocol(tmp_path)


def test_the_command_of_the_main_tables_names_no_folder():
    grid = grid_of(cells(("badnets",), SEEDS, ("ngf",)), SEEDS, whole=True)
    assert grid == Grid(*ALL, SEEDS) and grid.cells == len(ATTACKS) * len(ENTRANTS) * 3
    assert command_for(*USUAL, grid, tuple(ATTACKS), TABLES) == (
        "python -m ngf_core benchmark --stages cells && "
        f"python -m ngf_core benchmark --methods {' '.join(CLAIMED)} --stages claim tables")
    assert command_for(*USUAL, grid, ("badnets",), TABLES).endswith(
        f"benchmark --attacks badnets --methods {' '.join(CLAIMED)} --stages claim tables")
    assert command_for(*USUAL, grid, (), TABLES) == (
        "python -m ngf_core benchmark --stages cells tables")
    assert command_for(*USUAL, grid, (), TABLES / "other").endswith(
        "benchmark --stages cells tables --tables assets/benchmark/other")


def test_other_tables_are_asked_for_as_they_are():
    made = cells(("wanet", "blend"), (3, 4), ("ngf", "sgd"))
    assert grid_of(made, (3, 4), whole=False) == Grid(("blend", "wanet"), ("ngf", "sgd"), (3, 4))
    models_only = made[made["group"] == "model"]
    assert grid_of(models_only, (3, 4), whole=False) == Grid(*ALL, (3, 4))


def test_the_command_of_other_tables_asks_for_what_is_in_them(tmp_path):
    told = command_for("fashion_mnist", "mini_preact_resnet", 500, 8, Grid(
        ("blend", "wanet"), ("ngf", "sgd"), (3, 4)), ("wanet", "blend"), tmp_path / "my tables")
    asked = parsed(told)
    assert (asked.dataset, asked.arch, asked.seeds, asked.limit, asked.epochs) == \
        ("fashion_mnist", "mini_preact_resnet", [3, 4], 500, 8)
    assert (asked.attacks, asked.methods) == (["blend", "wanet"], ["ngf", "sgd"])
    assert asked.tables == tmp_path / "my tables" and tuple(asked.stages) == benchmark.STAGES


def test_cells_of_which_some_are_measured_take_two_commands(tmp_path):
    grid = Grid(("badnets", "sig"), ("ngf", "sgd", "anp"), (3,))
    first, second = map(parsed, command_for(*USUAL, grid, ("badnets",), tmp_path).split(" && "))
    assert (first.attacks, first.methods, first.stages) == (
        ["badnets", "sig"], ["ngf", "sgd", "anp"], ["cells"])
    assert (second.attacks, second.methods, second.stages) == (
        ["badnets"], ["ngf", "sgd"], ["claim", "tables"])
    assert (first.seeds, second.seeds, second.tables) == ([3], [3], tmp_path)


def parsed(command):
    """The arguments that the command line gives."""
    words = shlex.split(command)[3:]
    return parser_of(words).parse_args(words)
