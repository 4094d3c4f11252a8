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
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.evidence.folders import (
    SEEDS,
    Protocol,
    command_for,
    folders,
    main_of,
    read_protocol,
)
from ngf_core.runs.names import ZOO_ARCH
from tests.support.fabricated_sizes import write

ALL = (tuple(ATTACKS), tuple(ENTRANTS))
USUAL = ("signs", ZOO_ARCH, SEEDS, TrainConfig.limit, TrainConfig.epochs)


def test_the_main_folder_is_always_named_the_others_where_they_have_cells(tmp_path):
    (tmp_path / "sizes" / "empty").mkdir(parents=True)
    assert folders(tmp_path) == {"main": tmp_path}
    write(tmp_path / "sizes" / "signs-mini", "mini_preact_resnet")
    write(tmp_path / "fresh", ZOO_ARCH, seeds=(3, 4))
    assert folders(tmp_path) == {"main": tmp_path, "fresh": tmp_path / "fresh",
                                 "signs-mini": tmp_path / "sizes" / "signs-mini"}


def test_each_folder_belongs_to_the_main_one(tmp_path):
    for below in ("", "fresh", "sizes/signs-mini"):
        assert main_of(tmp_path / below) == tmp_path


def test_a_protocol_tells_its_models_and_command(tmp_path):
    assert read_protocol(tmp_path) is None
    (tmp_path / "protocol.json").write_text(json.dumps(
        {"dataset": "signs", "arch": ZOO_ARCH, "seeds": [3, 4], "command": "compute it",
         "train": {"limit": 500, "epochs": 8}}))
    assert read_protocol(tmp_path) == Protocol("signs", ZOO_ARCH, (3, 4), 500, 8, "compute it")


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"dataset": "signs"}',
                                  '{"dataset": "signs", "arch": "x", "seeds": 3}',
                                  '{"dataset": "signs", "arch": "x", "seeds": [], "train": 3}'])
def test_a_damaged_protocol_is_told(tmp_path, text):
    (tmp_path / "protocol.json").write_text(text)
    with pytest.raises(NGFError, match="protocol.json is damaged. Restore it from a copy"):
        read_protocol(tmp_path)


def test_the_main_tables_have_the_plain_command():
    assert command_for(*USUAL, ("badnets",), ("ngf",), TABLES) == "python -m ngf_core benchmark"
    assert command_for(*USUAL, *ALL, TABLES / "other") == \
        "python -m ngf_core benchmark --tables assets/benchmark/other"


def test_the_command_of_other_tables_asks_for_what_is_in_them(tmp_path):
    told = command_for("fashion_mnist", "mini_preact_resnet", (3, 4), 500, 8, ("blend", "wanet"),
                       ("ngf", "sgd"), tmp_path / "my tables")
    assert told.startswith("python -m ngf_core benchmark ")
    asked = parsed(told)
    assert (asked.dataset, asked.arch, asked.seeds, asked.limit, asked.epochs) == \
        ("fashion_mnist", "mini_preact_resnet", [3, 4], 500, 8)
    assert (asked.attacks, asked.methods) == (["blend", "wanet"], ["ngf", "sgd"])
    assert asked.tables == tmp_path / "my tables"


def test_default_seeds_are_those_of_the_command_line():
    asked = parsed("python -m ngf_core benchmark")
    assert tuple(asked.seeds) == SEEDS and tuple(asked.stages) == benchmark.STAGES


def parsed(command):
    """The arguments that the command line gives."""
    words = shlex.split(command)[3:]
    return parser_of(words).parse_args(words)
