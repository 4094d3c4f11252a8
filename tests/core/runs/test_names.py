"""The names of runs, and that all who name runs agree."""

from ngf_core.config import TrainConfig
from ngf_core.evidence.cells import Cell
from ngf_core.execute.zoo import run_name
from ngf_core.models import ARCHITECTURES
from ngf_core.runs.names import ZOO_ARCH, model_name


def test_a_name_leaves_out_the_network_of_the_zoo_alone():
    assert ZOO_ARCH in ARCHITECTURES
    names = {arch: model_name("signs", arch, "badnets", 3) for arch in ARCHITECTURES}
    assert names.pop(ZOO_ARCH) == "signs-badnets-s3"
    assert names == {arch: f"signs-{arch}-badnets-s3" for arch in names}


def test_zoo_and_benchmark_give_a_model_the_same_name():
    for arch in (ZOO_ARCH, TrainConfig.arch):
        train = TrainConfig(dataset="digits", arch=arch, attack="none", seed=1)
        assert run_name(train) == Cell("digits", arch, "none", 1).model
