"""Two processes compute what one computes: one pair of them for all comparisons."""

import os
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
    IMAGES,
    REFUSED,
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
    (out / "tmp").mkdir()
    done = subprocess.run(two_ranks("tests.support.two_ranks", str(out)), cwd=ROOT, text=True,
                          env=os.environ | {"TMPDIR": str(out / "tmp")}, capture_output=True,
                          timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    (source,) = (out / "runs").glob("*-train-*")
    shutil.copytree(source, out / "sources" / source.name)
    return out


@pytest.fixture(scope="module")
def found(out: Path) -> list[dict[str, Any]]:
    """What each of the two ranks found."""
    return [torch.load(out / f"{rank}.pt") for rank in (0, 1)]


def test_torchrun_leaves_nothing_behind(out):
    assert not list((out / "tmp").glob("torchelastic_*"))


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


@pytest.mark.parametrize("name", [*(f"train {attack}" for attack in ATTACKS), "train float32",
                                  "rates"])
def test_each_computes_its_share_of_the_images(found, name):
    alone = found[0][name][IMAGES[ALONE]]
    shares = list(zip(*(rank[name][IMAGES[TOGETHER]] for rank in found), strict=True))
    assert [sum(share) for share in shares] == alone and len(alone) > 1
    assert all(abs(one - other) <= 1 for one, other in shares)


def test_a_run_has_the_network_in_the_modes_of_one_process(found):
    for rank in found:
        assert rank["modes"][TOGETHER] == [True, False, False]


def test_buffers_are_not_sent(found):
    assert [rank["buffer"][TOGETHER] for rank in found] == [0, 1]


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


def test_each_multiplies_with_its_share_of_the_samples(found):
    assert found[0]["samples"][ALONE] == {"tensors": 11, "batches": 11, "one sample": 1}
    # A rank without a sample makes its operator of one that does not count.
    assert [rank["samples"][TOGETHER] for rank in found] == [
        {"tensors": 6, "batches": 7, "one sample": 1},
        {"tensors": 5, "batches": 4, "one sample": 1}]


@pytest.mark.parametrize("name", REFUSED)
def test_what_one_rank_refuses_all_refuse_in_its_words(found, name):
    first, second = (rank[f"refusal: {name}"] for rank in found)
    assert first[ALONE][1].startswith({
        "not finite": "The loss of this model on these inputs is not finite",
        "more targets": "targets: torch.int64 of shape (11,) do not label inputs of shape (9, 2, ",
        "fewer targets": "targets: torch.int64 of shape (9,) do not label inputs of shape (11, 2, ",
        "no batch": "data: a batch is neither a pair nor one in which"}[name])
    assert first[TOGETHER][1] == second[TOGETHER][1] == first[ALONE][1]
    assert {first[TOGETHER][0], second[TOGETHER][0]} <= {"ConfigError", "NGFError"}


def test_what_goes_wrong_on_one_rank_is_no_refusal_on_the_others(found):
    assert [rank["refusal: no room"][TOGETHER] for rank in found] == [
        ["RuntimeError", "MemoryError: no room"], ["MemoryError", "no room"]]


@pytest.mark.parametrize("points", [1, 7])
@pytest.mark.parametrize("name", MODELS)
def test_losses(found, name, points):
    first, second = (rank[f"losses at {points} of {name}"] for rank in found)
    alone, together = first[ALONE]["losses"], first[TOGETHER]["losses"]
    same(together, second[TOGETHER]["losses"])
    assert alone.shape == (2, points)
    close(together, alone)
    assert first[ALONE]["points"] == points
    assert [rank[TOGETHER]["points"] for rank in (first, second)] == [
        points - points // 2, points // 2]


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
