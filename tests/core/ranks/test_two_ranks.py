"""Two processes compute what one computes: one pair of them for all comparisons."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ngf_core.curvature.spectral.measure_spectrum import OPERATORS
from ngf_core.runs import RunStore
from tests.core.ranks.conftest import needs_ranks, two_ranks
from tests.support.small_networks import MODELS
from tests.support.tiny_runs import made
from tests.support.two_ranks import (
    ALONE,
    ATTACKS,
    SAMPLES,
    TOGETHER,
    landscape_config,
    spectrum_config,
)

pytestmark = [needs_ranks, pytest.mark.xdist_group("ranks")]
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which two ranks have written what they found."""
    out = tmp_path_factory.mktemp("ranks")
    done = subprocess.run(two_ranks("tests.support.two_ranks", str(out)), cwd=ROOT, text=True,
                          capture_output=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    (source,) = (out / "runs").glob("*-train-*")
    shutil.copytree(source, out / "sources" / source.name)
    return out


@pytest.fixture(scope="module")
def found(out: Path) -> list[dict[str, Any]]:
    """What each of the two ranks found."""
    return [torch.load(out / f"{rank}.pt") for rank in (0, 1)]


def same(one: Any, other: Any) -> None:
    """Bit by bit."""
    torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", [*ATTACKS, "one image", "stopped"])
def test_training(found, name):
    first, second = (rank[f"train {name}"] for rank in found)
    alone, together = first[ALONE], first[TOGETHER]
    same(together, second[TOGETHER])
    same([alone["poisoned"], alone["cover"]], [together["poisoned"], together["cover"]])
    for what in ("model", "losses", "learned"):  # the model with its BatchNorm's statistics
        torch.testing.assert_close(together[what], alone[what], rtol=1e-8, atol=1e-9)


def test_training_in_float32(found):
    first = found[0]["train float32"]
    for what in ("model", "losses"):
        torch.testing.assert_close(first[TOGETHER][what], first[ALONE][what], rtol=1e-5, atol=1e-5)
    assert all(value.dtype in (torch.float32, torch.int64)
               for value in first[TOGETHER]["model"].values())


def test_training_that_stopped_goes_on_bit_by_bit(found):
    for rank in found:
        same(rank["train stopped"][TOGETHER]["model"], rank["train wanet"][TOGETHER]["model"])


def test_the_comparisons_are_of_trainings_that_move(found):
    started, wanet = found[0]["train none"][ALONE], found[0]["train wanet"][ALONE]
    assert started["losses"][1] < started["losses"][0]
    assert wanet["poisoned"][0].tolist() != wanet["poisoned"][1].tolist()
    assert found[0]["train lira"][ALONE]["learned"]


@pytest.mark.parametrize("mode", ["True", "False"])
def test_gradients_by_the_images(found, mode):
    first, second = (rank["gradients by the images"] for rank in found)
    same(first[TOGETHER], second[TOGETHER])
    close(first[TOGETHER][mode], first[ALONE][mode])


def test_rates(found):
    first, second = (rank["rates"] for rank in found)
    assert first[ALONE] == first[TOGETHER] == second[TOGETHER] and first[ALONE]["asr"]["n"] > 30


@pytest.mark.parametrize("what", SAMPLES)
@pytest.mark.parametrize("name", OPERATORS)
def test_products(found, name, what):
    first, second = (rank[f"{name} of {what}"] for rank in found)
    same(first[TOGETHER], second[TOGETHER])
    assert first[ALONE].abs().max() > 1e-3
    close(first[TOGETHER], first[ALONE])


def test_a_spectrum(found):
    first, second = (rank["spectrum"] for rank in found)
    same(first[TOGETHER], second[TOGETHER])
    torch.testing.assert_close(first[TOGETHER], first[ALONE], rtol=1e-6, atol=1e-8)


def test_what_one_rank_refuses_all_refuse(found):
    first, second = (rank["not finite"][TOGETHER] for rank in found)
    assert first == "The operator could not be made on 1 of 2 ranks, which say why."
    assert second.startswith("The loss of this model on these inputs is not finite")


@pytest.mark.parametrize("points", [1, 7])
@pytest.mark.parametrize("name", MODELS)
def test_losses(found, name, points):
    first, second = (rank[f"losses at {points} of {name}"] for rank in found)
    same(first[TOGETHER], second[TOGETHER])
    assert first[ALONE].shape == (2, points)
    close(first[TOGETHER], first[ALONE])


@pytest.mark.parametrize(("kind", "of"), [("spectrum", spectrum_config),
                                          ("landscape", landscape_config)])
def test_a_run_of_two_ranks_has_the_numbers_of_one(out, tiny_data, tmp_path, kind, of):
    (together,), (source,) = (RunStore(out / "runs").list(each) for each in (kind, "train"))
    assert together.manifest["ranks"] == 2 and together.state == "done"
    # In a folder of its own, since a spectrum goes on from an earlier one beside it.
    alone = made(of(source.id), RunStore(tmp_path, out / "sources"))
    there, here = together.arrays(kind), alone.arrays(kind)
    assert set(there) == set(here)
    for name, values in here.items():
        if values.dtype.kind == "f":
            scale = np.abs(values).max()
            np.testing.assert_allclose(there[name], values, rtol=1e-3, atol=1e-3 * scale + 1e-9)


def test_all_get_what_the_first_has(found):
    for rank in found:
        assert rank["agreed"][TOGETHER]["rank"] == 0
        same(rank["agreed"][TOGETHER]["x"], torch.zeros(2, dtype=torch.int64))


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)
