"""What a sweep costs before it starts, and what is refused."""

from dataclasses import replace

import pytest

from ngf_core.errors import ConfigError
from ngf_core.execute.cost import Cost
from ngf_core.runs import ManifestReadings, RunStore, StoreSnapshot
from ngf_core.sweep import plan as module
from ngf_core.sweep.grid import Grid
from ngf_core.sweep.plan import JOBS, hours, plan, refuse
from ngf_core.sweep.states import CellState
from tests.support.fabricated_sweep import SECONDS, fabricated
from tests.support.faked import faked

GRID = Grid(("badnets", "blend"), ("sgd",), networks=("mini_preact_resnet",), seeds=(0, 1))
CELLS = [cell for stage in GRID.stages() for cell in stage]


class Room:
    """A launcher that notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def refuse(self, seconds: float) -> None:
        self.asked.append(seconds)

    def submit(self, stages, folder) -> str:
        raise AssertionError("nothing is to be started")


@pytest.fixture
def estimates(monkeypatch) -> list:
    """A training of 400 s and 5 MB at the pace of as many cores, a purification of 60 s and 3 MB by
    an estimate of one core; the configs asked for."""
    asked = []

    def estimate(config, store, trained, cores, runs):
        asked.append((config, trained))
        return (Cost(400, 5, "From run x.", 900, cores) if config.kind == "train"
                else Cost(60, 3, "A guess.", 900, 1))

    faked(monkeypatch, module, "estimate", estimate)
    return asked


def found(**counts: int) -> list[CellState]:
    words = [word for word, count in counts.items() for _ in range(count)]
    assert len(words) == len(CELLS) == 10
    return [CellState(cell, word) for cell, word in zip(CELLS, words, strict=True)]


def test_what_is_there_or_on_its_way_costs_nothing(tmp_path, estimates):
    planned = plan(found(done=4, running=1, queued=1, failed=1, missing=3), RunStore(tmp_path), 2)
    assert (planned.cells, planned.done, planned.submitted, planned.missing) == (10, 4, 2, 4)
    assert planned.core_hours == pytest.approx(4 * 60 / 3600)
    assert (planned.longest, planned.at_once, planned.megabytes) == (60, 60, 12)
    assert planned.sentences()[0] == ("10 cells: 4 are there, 2 are queued or running, 4 to "
                                      "compute.")


def test_trainings_and_purifications_with_what_their_costs_rest_on(tmp_path, estimates):
    planned = plan(found(missing=10), RunStore(tmp_path), 1)
    assert planned.core_hours == pytest.approx((6 * 400 + 4 * 60) / 3600)
    assert planned.longest == 400 and planned.at_once == 400 / JOBS == 100
    assert planned.megabytes == 6 * 5 + 4 * 3
    assert planned.sentences()[2:] == ["  6 cells: From run x.", "  4 cells: A guess."]


def test_an_estimate_of_one_core_gives_the_same_core_hours_on_any_number(tmp_path):
    one, many = (plan(found(missing=10), RunStore(tmp_path), cores) for cores in (1, 8))
    assert one.core_hours == many.core_hours > 0
    assert all("on one core" in basis for basis in many.bases)


def test_seeds_cost_the_same_and_a_purification_that_of_its_network(tmp_path, estimates):
    plan(found(missing=10), RunStore(tmp_path), 1)
    assert len(estimates) == 5, "once for both seeds"
    for config, trained in estimates:
        assert trained.arch == "mini_preact_resnet"
        if config.kind == "purify":
            assert config.source.startswith(f"signs-mini_preact_resnet-{trained.attack}-")


def test_nothing_left_to_compute(tmp_path, estimates):
    planned = plan(found(done=10), RunStore(tmp_path), 1)
    assert planned.sentences() == ["10 cells: 10 are there, 0 are queued or running, 0 to compute."]
    room = Room()
    refuse(planned, room)
    assert room.asked == []


def test_a_disk_without_room_and_a_launcher_that_asks(tmp_path, estimates):
    planned = plan(found(missing=10), RunStore(tmp_path / "not" / "yet"), 1)
    room = Room()
    refuse(planned, room)
    assert room.asked == [100]
    with pytest.raises(ConfigError, match="out: the cells need about 42 MB, and 41 MB are free"):
        refuse(replace(planned, free=41.4), Room())


def test_hours_spent_are_those_of_finished_runs_and_the_others_are_left(tmp_path, estimates):
    made = fabricated(tmp_path, GRID, {cell: state for cell, state in zip(
        CELLS, ["done"] * 3 + ["running", "queued", "failed", "missing"] + ["done"] * 3,
        strict=True)}.__getitem__)
    now = StoreSnapshot(made.sweep.store, ManifestReadings())
    told = hours([CellState(*one) for one in made.states.items()], now, 2)
    assert told.spent == pytest.approx(6 * SECONDS * 2 / 3600)
    left = [cell for cell, state in made.states.items() if state != "done"]
    trained = sum(not cell.entrant for cell in left)
    assert told.left == pytest.approx((400 * trained * 2 + 60 * (4 - trained)) / 3600)
    assert told.bases == {"From run x.": trained, "A guess.": 4 - trained} and 0 < trained < 4
