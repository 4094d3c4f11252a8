"""Every registered thing is where its entry says, and is described in one place only."""

import subprocess
import sys
from dataclasses import fields

import pytest
from torch import nn

from ngf_core.attacks import ATTACKS, EVERY_ATTACK, OWN
from ngf_core.attacks.attack import Attack
from ngf_core.config import CONFIGS
from ngf_core.data import DATASETS
from ngf_core.data.dataset import load_dataset
from ngf_core.data.sign_shapes import SIGNS
from ngf_core.models import ARCHITECTURES
from ngf_core.purify.methods.ngf import ngf
from ngf_core.purify.registry import PURIFIERS
from ngf_core.registry import Entry

REGISTRIES = (EVERY_ATTACK, DATASETS, ARCHITECTURES, PURIFIERS)


@pytest.mark.parametrize("name", EVERY_ATTACK)
def test_an_attack_is_titled_as_it_is_listed(name):
    cls = EVERY_ATTACK[name].load()
    assert issubclass(cls, Attack) and cls.title == EVERY_ATTACK[name].title


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_builds_by_its_own_name(name):
    assert isinstance(ARCHITECTURES[name].load()(name, (1, 32, 32), 10), nn.Module)


def test_a_purifier_is_the_function_of_its_module():
    assert PURIFIERS["ngf"].load() is ngf
    assert all(callable(entry.load()) for entry in PURIFIERS.values())


def test_class_names_are_in_the_order_in_which_the_signs_are_drawn():
    assert DATASETS["signs"].class_names == tuple(SIGNS)


def test_the_listed_number_of_training_images_is_what_the_split_leaves():
    digits = load_dataset("digits")
    assert len(digits.train) == DATASETS["digits"].train_images
    assert digits.class_names == DATASETS["digits"].class_names
    # The signs are costly to draw: 6,000 of them less 1,000 for testing and 5 % of the others.
    assert DATASETS["signs"].train_images == 6000 - 1000 - 250


@pytest.mark.parametrize(("kind", "field", "registry"), [
    ("train", "dataset", DATASETS), ("train", "arch", ARCHITECTURES),
    ("train", "attack", EVERY_ATTACK), ("purify", "methods", PURIFIERS)])
def test_a_config_offers_what_is_registered(kind, field, registry):
    metadata = {f.name: f.metadata for f in fields(CONFIGS[kind])}[field]
    assert [name for name in metadata["choices"] if name != "none"] == list(registry)


def test_what_no_paper_has_is_in_no_list_of_attacks():
    assert set(EVERY_ATTACK) == {*ATTACKS, *OWN} and not set(OWN) & set(ATTACKS)
    assert list(OWN) == ["painted"] and len(ATTACKS) == 14


def test_titles_tell_entries_apart():
    for registry in REGISTRIES:
        assert len({entry.title for entry in registry.values()}) == len(registry)


def test_a_place_without_a_module_is_an_import_error():
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        Entry("Nothing", "ngf_core.nowhere:thing").load()


def test_reading_registries_costs_no_torch():
    code = ("import sys; from ngf_core.config import CONFIGS; "
            "from ngf_core.data import DATASETS; DATASETS['signs'].class_names; "
            "assert 'torch' not in sys.modules")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
