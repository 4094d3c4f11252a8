"""One stage at one size, measured in this process: processor seconds and bytes.

`prepared` makes the files that a stage reads, in the process that starts the measurement, so that
making them takes neither time nor memory of it. `measured` runs the code that runs use.
"""

import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.scaling.sizes import DECODED, NETWORKS, RATE, WORK
from ngf_core.attacks.attack import build_attack
from ngf_core.config import TrainConfig
from ngf_core.curvature import HessianOperator
from ngf_core.data.dataset import Images, load_dataset
from ngf_core.data.floats import as_floats
from ngf_core.data.mapped import mapped
from ngf_core.evaluate.test_set import predict
from ngf_core.landscape import random_plane
from ngf_core.landscape.evaluator import Evaluator
from ngf_core.models.build import build_model
from ngf_core.purify import NGF, Budget
from ngf_core.purify.method import purifier
from ngf_core.training import train

DIFFERENT = 50  # pictures, linked under as many names as there are files
BEGUN = "begun"  # the file that says so, from when on memory counts
LEAST, REPEATS = 6.0, 4  # what takes fewer seconds is repeated, so many times at most
# For memory alone: what is over before it is looked at often enough is repeated.
SEEN = 0.5


class Timed(Protocol):
    """Runs the work, up to so many times."""

    def __call__(self, work: Callable[[], object], times: int = 1) -> None: ...


def prepared(name: str, size: str, folder: Path) -> None:
    """Make the files for `measured`."""
    if name == "decode":
        _pictures(folder / "files", *DECODED[size][:3])
        _pictures(folder / "few", 10, 32, 32)
    elif name in ("poison", "train"):
        shape = _shape(size)
        generator = np.random.default_rng(0)
        with open(folder / "pixels", "wb") as file:
            for some in np.array_split(np.arange(WORK[name][size]["images"]), 40):
                file.write(generator.integers(0, 256, (len(some), *shape), np.uint8).tobytes())


def measured(name: str, size: str, folder: Path, least: float = LEAST) -> dict[str, float]:
    """{"seconds", "held"}: of the stage, repeated until it has run for `least` seconds, and bytes
    of private memory that it began with."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    seconds: list[float] = []

    def timed(work: Callable[[], object], times: int = 1) -> None:
        for _ in range(times):
            # A finished optimiser or operator is in a circle of references, and its gigabytes
            # would count for the next.
            gc.collect()
            before = time.process_time()
            work()
            seconds.append(time.process_time() - before)
            if sum(seconds) > least:
                break

    held = private_memory("self")
    (folder / BEGUN).touch()
    MEASURED[name](size, folder, timed)
    return {"seconds": min(seconds), "held": float(held)}


def _decode(size: str, folder: Path, timed: Timed) -> None:
    os.environ["NGF_CACHE"] = str(folder / "cache")
    load_dataset("folder", str(folder / "few"))
    timed(lambda: load_dataset("folder", str(folder / "files"), 0, DECODED[size][3]))


def _poison(size: str, folder: Path, timed: Timed) -> None:
    images = _mapped(folder, WORK["poison"][size]["images"], size)
    attack = build_attack("badnets", target=0, poison_rate=RATE, seed=0, shape=images.shape,
                          classes=10)
    timed(lambda: attack.poison(images, torch.Generator().manual_seed(0)), REPEATS)


def _train(size: str, folder: Path, timed: Timed) -> None:
    work = WORK["train"][size]
    images = _mapped(folder, work["images"], size)
    config = TrainConfig(attack="none", batch_size=work["batch"], epochs=1)

    def once(model: nn.Module, some: Images) -> None:
        for _ in train(model, some, None, config, torch.device("cpu")):
            pass

    once(_model(size), images.take(slice(0, 2)))
    model = _model(size)
    timed(lambda: once(model, images), REPEATS)


def _evaluate(size: str, folder: Path, timed: Timed) -> None:
    model, x = _model(size), _pixels(WORK["evaluate"][size]["images"], size)
    predict(model, x[:2])
    timed(lambda: predict(model, x), REPEATS)


def _purify(size: str, folder: Path, timed: Timed) -> None:
    work = WORK["purify"][size]
    clean = _images(work["clean"], size)
    budget = Budget(steps=work["steps"], batch_size=work["batch"])

    def once(model: nn.Module, clean: Images, budget: Budget) -> None:
        for _ in purifier("ngf")(model, clean, NGF(), budget):
            pass

    # Not with this network: two images of many classes take the rows of a matrix, which more do
    # not, and that would be the most that is held.
    once(_model("small"), _images(2, "small"), Budget(steps=1, batch_size=2))
    timed(lambda: once(_model(size), clean, budget), REPEATS)


def _spectrum(size: str, folder: Path, timed: Timed) -> None:
    work = WORK["spectrum"][size]
    images = _images(work["samples"], size)
    data = as_floats(images.x), images.y
    model = _model(size).requires_grad_(True)

    def once() -> None:
        operator = HessianOperator(model, data, memory=1e12)
        v = torch.ones(operator.size)
        for _ in range(work["products"]):
            operator @ v

    timed(once, REPEATS)


def _landscape(size: str, folder: Path, timed: Timed) -> None:
    work = WORK["landscape"][size]
    images = _images(work["samples"], size)
    model = _model(size)
    plane = random_plane(model, torch.Generator().manual_seed(0))
    evaluator = Evaluator(model, plane, {"clean": (as_floats(images.x), images.y)})
    points = torch.rand(work["points"], 2, generator=torch.Generator().manual_seed(0)) / 10
    timed(lambda: evaluator.losses(points), REPEATS)


MEASURED: dict[str, Callable[[str, Path, Timed], None]] = {
    "decode": _decode, "poison": _poison, "train": _train, "evaluate": _evaluate,
    "purify": _purify, "spectrum": _spectrum, "landscape": _landscape}


def _shape(size: str) -> tuple[int, int, int]:
    _, side, _ = NETWORKS[size]
    return 3, side, side


def _model(size: str) -> nn.Module:
    arch, _, classes = NETWORKS[size]
    return build_model(arch, _shape(size), classes).eval()


def _pixels(count: int, size: str) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, *_shape(size)), generator=generator, dtype=torch.uint8)


def _images(count: int, size: str) -> Images:
    return Images(_pixels(count, size), torch.arange(count) % NETWORKS[size][2])


def _mapped(folder: Path, count: int, size: str) -> Images:
    file = folder / "pixels"
    return Images(mapped(file, 0, count, _shape(size)), torch.arange(count) % 10, file)


def _pictures(folder: Path, files: int, width: int, height: int) -> None:
    """JPEG files in two classes, smooth with some grain: near the bytes per pixel of photographs.
    """
    generator = np.random.default_rng(0)
    places = [folder / part for part in ("a", "b", "model")]
    for place in places:
        place.mkdir(parents=True)
    for i in range(min(files, DIFFERENT)):
        coarse = generator.integers(0, 256, (max(2, height // 12), max(2, width // 12), 3),
                                    np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((width, height),
                                                           Image.Resampling.BICUBIC), float)
        grain = generator.normal(0, 12, (height, width, 1))
        picture = Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))
        picture.save(places[2] / f"{i}.jpg", quality=90)
    for i in range(files):
        os.link(places[2] / f"{i % DIFFERENT}.jpg", places[i % 2] / f"{i}.jpg")
    for i in range(min(files, DIFFERENT)):
        os.unlink(places[2] / f"{i}.jpg")
    places[2].rmdir()


def private_memory(process: int | str) -> int:
    """Bytes of a process's memory that no file backs (RssAnon)."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("RssAnon:"))
    return 1024 * int(line.split()[1])
