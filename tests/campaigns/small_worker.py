"""The real worker on the smallest work: run it with python -m, or fork it from `forked`.

The data set `signs` has 420 images of 16x16 and the networks four channels, as in the tests; the
code that computes is the real one.
"""

from dataclasses import replace

from ngf_core.data import DATASETS, dataset
from ngf_core.execute import worker
from ngf_core.models import preact_resnet
from ngf_core.runs.names import ZOO_ARCH
from tests.support import tiny_signs


def make_small() -> None:
    """Make data set and networks small in this process, for good."""
    DATASETS["signs"] = replace(DATASETS["signs"], where=f"{tiny_signs.__name__}:load")
    dataset.TEST_IMAGES = tiny_signs.TEST_IMAGES
    preact_resnet.STAGES |= {"mini_preact_resnet": (4, (1, 1, 1)), ZOO_ARCH: (4, (2, 2, 2, 2))}


if __name__ == "__main__":
    make_small()
    raise SystemExit(worker.main())
