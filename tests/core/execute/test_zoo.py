"""What the zoo is made of."""

from ngf_core.config import LandscapeConfig, LayersConfig, SpectrumConfig, TrainConfig
from ngf_core.execute import zoo
from ngf_core.purify.settings import NGF, SGD, FineTuning
from ngf_core.runs.names import ZOO_ARCH

TRAIN = TrainConfig(attack="blend", arch=ZOO_ARCH, seed=2)


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
