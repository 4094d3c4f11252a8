"""A method's own parameters and the config's changes to them."""

from dataclasses import dataclass

import pytest

from ngf_core.config import PurifyConfig
from ngf_core.errors import ConfigError
from ngf_core.options import option
from ngf_core.purify.parameters import check_parameters, own_parameters
from tests.support.tiny_models import settings


@dataclass(frozen=True)
class Own:
    rho: float = option(0.5, "radius", 0.0, 2.0)
    rounds: int = option(3, "rounds", 1, 9)


def read(text: str) -> Own:
    return own_parameters("ngf", Own, settings(methods=("ngf", "sgd"), parameters=text))


def test_defaults_stand_where_nothing_is_changed():
    assert read("") == Own(0.5, 3) and read("sgd.rho=1") == Own(0.5, 3)


def test_changes_are_taken_and_keep_their_type():
    own = read("ngf.rho=1, ngf.rounds=4")
    assert own == Own(1.0, 4) and isinstance(own.rounds, int)


@pytest.mark.parametrize(("text", "said"), [
    ("rho=1", "does not name a method's parameter and a number. Write them as anp.eps=0.3"),
    ("ngf.rho", "does not name a method's parameter and a number"),
    ("ngf.rho=much", "does not name a method's parameter and a number"),
    ("ngf.rho=1,ngf.rho=1", "ngf.rho is given twice"),
    ("anp.eps=1", "'anp' is not among the methods of this run. It has ngf, sgd"),
    ("ngf.nu=1", "ngf has no parameter 'nu'. It has rho, rounds"),
    ("ngf.rho=3", r"ngf.rho: 3.0 is out of range. Use a number from 0.0 to 2.0"),
    ("ngf.rounds=1.5", "ngf.rounds: 1.5 is not a whole number"),
    ("ngf.rho=nan", "ngf.rho: nan is not a finite number")])
def test_what_cannot_be_used_is_named(text, said):
    with pytest.raises(ConfigError, match=said):
        read(text)


@pytest.mark.parametrize("text, said", [
    ("zz", "does not name a method's parameter"), ("anp.nose=1", "anp has no parameter 'nose'"),
    ("anp.eps=-1", "anp.eps"), ("sgd.rho=1", "sgd has no parameters of its own"),
    ("nad.k=1", "'nad' is not among the methods"),
])
def test_a_run_is_checked_before_it_starts(text, said):
    with pytest.raises(ConfigError, match=said):
        check_parameters(PurifyConfig(source="x", methods=("anp", "sgd"), parameters=text))


@pytest.mark.parametrize("text", ["", "anp.eps=0.3"])
def test_what_the_methods_have_passes(text):
    check_parameters(PurifyConfig(source="x", methods=("anp", "sgd"), parameters=text))
