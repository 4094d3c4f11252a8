"""What the zoo is made of, and that it is made once."""

import pytest

from ngf_core.config import Config, LandscapeConfig, LayersConfig, SpectrumConfig, TrainConfig
from ngf_core.execute import zoo
from ngf_core.purify.settings import NGF, SGD, FineTuning
from ngf_core.runs import Run, RunStore, RunWriter
from ngf_core.runs.names import ZOO_ARCH

TRAIN = TrainConfig(attack="blend", arch=ZOO_ARCH, seed=2)


@pytest.fixture
def made(monkeypatch) -> list[str]:
    """The ids of the runs that `make` was asked for; it fabricates them."""
    asked: list[str] = []

    def make(store: RunStore, run_id: str, config: Config) -> Run:
        asked.append(run_id)
        run = store.create(config, run_id)
        RunWriter(run).finish({})
        return run

    monkeypatch.setattr(zoo, "make", make)
    return asked


def test_of_each_model_five_runs_are_made():
    runs = zoo.runs_on(TRAIN)
    train, race, *others = runs.values()
    assert list(runs) == [f"signs-blend-s2-{kind}" for kind in zoo.KINDS]
    assert train == TRAIN and race.source == "signs-blend-s2-train" and race.seed == 2
    assert race.methods == (NGF(), SGD(), FineTuning())
    assert others == [SpectrumConfig(source="signs-blend-s2-race"),
                      LandscapeConfig(source="signs-blend-s2-race", grid=31, mode="preview",
                                      planes=("random", "path", "models")),
                      LayersConfig(source="signs-blend-s2-train", seed=2, steps=50)]


def test_some_kinds_alone_in_the_order_of_their_sources(store, made):
    assert zoo.build(store, TRAIN, ("race", "train"))
    assert zoo.build(store, TRAIN, ("layers",))
    assert made == [f"signs-blend-s2-{kind}" for kind in ("train", "race", "layers")]


def test_a_run_without_a_source_is_told_and_left_out(store, made, capsys):
    assert not zoo.build(store, TRAIN, ("race", "spectrum"))
    assert made == [] and capsys.readouterr().err == (
        "signs-blend-s2-race: there is no finished run signs-blend-s2-train to start from. Build "
        "that one first.\n")
