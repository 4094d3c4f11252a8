"""Tensors stored whole, in half precision, and as a difference to another run's file."""

import shutil

import numpy as np
import pytest
import torch

from ngf_core.config import PurifyConfig, TrainConfig
from ngf_core.errors import RunError
from ngf_core.runs import Run, RunStore, RunWriter
from ngf_core.runs.lineage import weights_sha
from ngf_core.runs.rewrite import rewrite, whole_copy
from ngf_core.runs.tensors import Base, decode, differing, encode, shapes, tensors_sha

RECEIVED = {"conv.weight": torch.arange(12.0).view(3, 2, 2), "bn.batches": torch.tensor(7),
            "fc.weight": torch.tensor([[0.1, -0.0], [torch.nan, 2.0]]), "fc.bias": torch.zeros(2)}
TUNED = RECEIVED | {"fc.bias": torch.tensor([0.1, 0.2])}


@pytest.fixture
def trained(store: RunStore) -> Run:
    return _made(store, TrainConfig(), "signs-badnets-s0-train", model=RECEIVED)


@pytest.fixture
def race(store: RunStore, trained: Run) -> Run:
    """A race on it, stored as differences: nothing of "before", the bias of "after_ngf"."""
    run = _made(store, PurifyConfig(source=trained.id), "signs-badnets-s0-race", before=RECEIVED,
                after_ngf=TUNED)
    base = Base(trained.id, "model", tensors_sha(RECEIVED))
    rewrite(run, {f"{name}.safetensors": encode(differing(tensors, RECEIVED), base)
                  for name, tensors in (("before", RECEIVED), ("after_ngf", TUNED))})
    return run


def _made(store: RunStore, config, run_id: str, **files: dict[str, torch.Tensor]) -> Run:
    run = store.create(config, run_id)
    writer = RunWriter(run)
    for name, tensors in files.items():
        writer.tensors(name, tensors)
    writer.finish({"before": {"acc": {"hits": 1, "n": 1}}, "ngf": {"acc": {"hits": 1, "n": 1}}})
    return run


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return tensors_sha(one) == tensors_sha(other)


def test_a_difference_reads_as_the_whole(race):
    assert same(race.tensors("before"), RECEIVED) and same(race.tensors("after_ngf"), TUNED)
    for file in ("before", "after_ngf"):
        assert race.shapes(file) == {name: tuple(value.shape) for name, value in RECEIVED.items()}
    assert shapes(race.path / "before.safetensors")[0] == {}
    assert shapes(race.path / "after_ngf.safetensors")[0] == {"fc.bias": (2,)}


def test_equal_weights_have_one_hash_however_they_are_stored(race, trained, store, tmp_path):
    assert weights_sha(race, "before") == weights_sha(trained, "before") == tensors_sha(RECEIVED)
    assert weights_sha(race, "ngf") == tensors_sha(TUNED) != tensors_sha(RECEIVED)
    whole = _made(store, race.config, "whole", before=RECEIVED, after_ngf=TUNED)
    assert weights_sha(whole, "ngf") == weights_sha(race, "ngf")


@pytest.mark.parametrize("other", [
    {"b": torch.zeros(2), "a": torch.ones(2)}, {"a": torch.zeros(2)}, {"a": torch.zeros(2, 1)},
    {"a": torch.zeros(2, dtype=torch.float64)}, {"a": torch.tensor([0.0, -0.0])}])
def test_the_hash_is_of_names_types_shapes_and_values(other):
    of = {"a": torch.zeros(2), "b": torch.ones(2)}
    assert tensors_sha(of) == tensors_sha(dict(reversed(of.items()))) != tensors_sha(other)
    assert tensors_sha({"a": of["a"]}) == tensors_sha(other) or len(differing(of, other)) > 0


def test_what_differs_is_told_bit_by_bit():
    assert differing(RECEIVED, RECEIVED) == {}  # NaN too
    assert list(differing(RECEIVED | {"fc.bias": torch.tensor([0.0, -0.0])}, RECEIVED)) == [
        "fc.bias"]
    fewer = {"fc.bias": RECEIVED["fc.bias"]}
    assert differing(fewer, RECEIVED).keys() == fewer.keys()  # else reading would add the others
    assert differing(RECEIVED, fewer).keys() == RECEIVED.keys() - fewer.keys()


def test_half_precision_is_float32_once_read():
    values = {"weight": torch.tensor([0.1, 1e-3]).half(), "count": torch.tensor(3),
              "double": torch.tensor([0.1], dtype=torch.float64)}
    own = decode(encode(values)).own
    assert {name: value.dtype for name, value in own.items()} == {
        "weight": torch.float32, "count": torch.int64, "double": torch.float64}
    assert torch.equal(own["weight"], values["weight"].float())
    plain = decode(encode({"a": np.arange(3.0)}))
    assert plain.base is None and plain.own["a"].tolist() == [0, 1, 2]


def test_a_missing_base_is_told(race, trained):
    shutil.rmtree(trained.path)
    for read in (race.tensors, race.shapes):
        with pytest.raises(RunError, match="before.safetensors of run signs-badnets-s0-race holds "
                           "only what differs from model.safetensors of run signs-badnets-s0-train,"
                           " and that file is not there. Restore run signs-badnets-s0-train"):
            read("before")


@pytest.mark.parametrize("now", [TUNED, dict(list(RECEIVED.items())[:2])])
def test_another_base_is_told(race, trained, now):
    rewrite(trained, {"model.safetensors": encode(now)})
    with pytest.raises(RunError, match="model.safetensors of run signs-badnets-s0-train no longer "
                       "holds the tensors that after_ngf.safetensors of run signs-badnets-s0-race "
                       "completes. Restore .* or make run signs-badnets-s0-race again"):
        race.tensors("after_ngf")


def test_a_damaged_base_and_a_damaged_difference_are_told(race, trained):
    (trained.path / "model.safetensors").write_bytes(b"broken")
    for read, file in ((race.tensors, "before"), (trained.shapes, "model"),
                       (race.shapes, "before")):
        with pytest.raises(RunError, match=f"model.safetensors of run {trained.id} is damaged"):
            read(file)
    (race.path / "before.safetensors").write_bytes(b"")
    for read in (race.tensors, race.shapes):
        with pytest.raises(RunError, match=f"before.safetensors of run {race.id} is damaged"):
            read("before")


@pytest.mark.parametrize("base", [Base("signs-badnets-s0-race", "before", "0"),
                                  Base("../elsewhere", "model", "0")])
def test_a_base_that_is_none_ends_in_a_sentence(race, base):
    """Itself, and a folder that is no neighbour."""
    rewrite(race, {"before.safetensors": encode({}, base)})
    with pytest.raises(RunError, match="Restore run"):
        race.tensors("before")


def test_a_copy_is_whole_and_needs_no_other_run(race, trained, tmp_path):
    copy = whole_copy(race, tmp_path / "elsewhere" / race.id)
    shutil.rmtree(trained.path)
    assert same(copy.tensors("before"), RECEIVED) and same(copy.tensors("after_ngf"), TUNED)
    assert copy.manifest | {"files": 0} == race.manifest | {"files": 0}
    assert copy.manifest["files"].keys() == race.manifest["files"].keys()
    assert copy.manifest["files"]["events.jsonl"] == race.manifest["files"]["events.jsonl"]
    assert weights_sha(copy, "ngf") == tensors_sha(TUNED)


def test_a_copy_of_a_whole_run_is_its_files(trained, tmp_path):
    """Also where weights lie in half precision, in which they are not read."""
    rewrite(trained, {"model.safetensors": encode(
        {name: value.half() for name, value in RECEIVED.items()})})
    copy = whole_copy(trained, tmp_path / trained.id)
    assert {path.name: path.read_bytes() for path in copy.path.iterdir()} == {
        path.name: path.read_bytes() for path in trained.path.iterdir()}
