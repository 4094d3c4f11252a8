"""Configs of schema 1 mean what they meant: their own words, the shipped runs, the cells."""

import json
from pathlib import Path

import pandas as pd
import pytest

from ngf_core.config import LayersConfig, PurifyConfig, config_sha, from_json, to_json
from ngf_core.config.command import command_line
from ngf_core.config.schema1 import SHARED, migrated, own_parameters
from ngf_core.errors import ConfigError
from ngf_core.evidence import tables_folder
from ngf_core.evidence.cells import Cell
from ngf_core.purify import (
    ANP,
    FIP,
    FTSAM,
    NAD,
    NGF,
    SGD,
    FastFIP,
    FineTuning,
)
from ngf_core.purify.registry import PURIFIERS
from ngf_core.runs import Run, default_store

# The runs that ship, and one that shipped with schema 1.
RUNS = [*sorted(path.parent for path in default_store().shipped.glob("*/manifest.json")),
        Path(__file__).parent / "schema1" / "signs-mini_preact_resnet-badnets-s0-layers"]
OLD = {"kind": "purify", "source": "a",
       "methods": ["ngf", "sgd", "finetune", "ft_sam", "nad", "fip", "fast_fip", "anp"],
       "layer": "linear", "steps": 7, "seconds": 0.0, "clean_fraction": 0.05, "augment": "crop",
       "batchnorm": "frozen", "batch_size": 64, "fisher": "kfac", "damping": 0.2, "kl_bound": 1.0,
       "regulariser": 0.3, "lr": 0.5, "finetune_lr": 0.25, "step_size": "chosen",
       "parameters": "ngf.tenths=1, ngf.every=3,ft_sam.rho=1,fip.released=0,anp.eps=0.3",
       "evaluations": 3, "sharpness": "off", "seed": 4}


def test_every_field_goes_to_the_methods_that_read_it():
    assert from_json(migrated(OLD)) == PurifyConfig(
        source="a", steps=7, augment="crop", batchnorm="frozen", batch_size=64, evaluations=3,
        sharpness="off", seed=4, methods=(
            NGF(layer="linear", fisher="kfac", damping=0.2, kl_bound=1.0, regulariser=0.3,
                step_size="chosen", decay=0.0, tenths=True, every=3),
            SGD(layer="linear", lr=0.5, step_size="chosen"),
            FineTuning(lr=0.25, step_size="chosen"), FTSAM(lr=0.25, step_size="chosen", rho=1.0),
            NAD(lr=0.25, step_size="chosen"), FIP(lr=0.25, step_size="chosen", fisher="true"),
            FastFIP(fisher="true"), ANP(eps=0.3)))


def test_the_given_values_are_left_alone_and_those_of_today_as_they_are():
    before = json.dumps(OLD)
    migrated(OLD)
    assert json.dumps(OLD) == before
    today = to_json(PurifyConfig(source="a"))
    assert migrated(today) == today and migrated({"kind": "train", "lr": 1}) == {"kind": "train",
                                                                                 "lr": 1}


def test_what_an_older_config_leaves_out_is_what_it_was():
    config = from_json(migrated({"kind": "purify", "source": "a", "methods": ["ngf", "anp"]}))
    assert config == PurifyConfig(source="a", methods=(
        NGF(layer="blocks.2.conv1", kl_bound=0.3, decay=0.0), ANP()))


def test_a_layer_map_keeps_the_rate_of_its_reference():
    old = {"kind": "layers", "source": "a", "methods": ["ngf"], "steps": 9, "finetune_lr": 0.5,
           "kl_bound": 2.0, "lr": 0.1, "parameters": "ngf.momentum=0.5"}
    assert from_json(migrated(old)) == LayersConfig(
        source="a", steps=9, reference_lr=0.5,
        methods=(NGF(kl_bound=2.0, momentum=0.5, decay=0.0),))


def test_the_table_names_settings_that_there_are():
    for method, shared in SHARED.items():
        assert set(shared) <= set(PURIFIERS[method].settings.__dataclass_fields__)
        assert set(shared.values()) <= set(OLD)


@pytest.mark.parametrize("text", ["zz", "rho=1", "ngf.rate", "ngf.rate=much", "anp.nose=1",
                                  "bleach.eps=1"])
def test_parameters_that_cannot_be_read_are_named(text):
    with pytest.raises(ConfigError, match="does not name a method's parameter and a number"):
        own_parameters(text)


@pytest.mark.parametrize("text", ["ngf.every=1.5", "ngf.tenths=2.5", "anp.eps=nan", "anp.eps=-1",
                                  "anp.ascents=inf"])
def test_parameters_out_of_bounds_are_refused(text):
    old = {"kind": "purify", "source": "a", "methods": ["ngf", "anp"], "parameters": text}
    with pytest.raises(ConfigError, match=text.partition("=")[0]):
        from_json(migrated(old))


def test_the_run_of_schema_1_is_one():
    told = json.loads((RUNS[-1] / "manifest.json").read_text())
    assert told["schema"] == 1 and isinstance(told["config"]["methods"], list)


@pytest.mark.parametrize("folder", RUNS, ids=lambda path: path.name)
def test_the_settings_of_a_run_that_shipped_come_back_from_json(folder: Path):
    """Of which settings they are, `zoo check` knows."""
    run = Run(folder)
    config = run.config
    assert run.manifest["config_sha"] == config_sha(config)
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


# ---- the cells that ship


@pytest.fixture(scope="module")
def purified() -> pd.DataFrame:
    cells = pd.read_parquet(tables_folder() / "cells.parquet")
    return cells[cells["group"] != "model"]


def test_every_cell_is_of_the_settings_of_today(purified):
    assert len(purified)
    other = [row.run for row in purified.itertuples() if row.settings != Cell(
        row.dataset, row.arch, row.attack, row.seed, row.entrant).settings(row.layer)]
    assert other == []


def test_every_cells_command_asks_for_the_settings_of_today(purified):
    other = [row.run for row in purified.itertuples() if row.command != command_line(Cell(
        row.dataset, row.arch, row.attack, row.seed, row.entrant).asked(row.layer))]
    assert other == []
