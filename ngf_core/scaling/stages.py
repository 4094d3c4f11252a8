"""The stages of the work, and the terms of which each one's time and memory consist.

    seconds = sum_j a_j t_j     bytes of memory = sum_j b_j m_j     bytes on disk = d

t_j, m_j and d follow from what the code does with so many images, pixels and weights; a_j, b_j >= 0
are fitted to measurements (`fit.py`). Seconds are those of one core. The multiply-adds and the
bytes that a network writes stand beside each other because a core waits for one or for the other:
a network of few channels for memory, one of many for arithmetic.

Memory is what a process holds besides Python and the libraries, without pages of mapped files,
which the system takes back when it needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:  # it needs torch, and pages estimate without
    from ngf_core.scaling.network import Network

Terms = Mapping[str, float]
ONE = "1"


class Stage(Protocol):
    """One stage at one size."""

    @property
    def time(self) -> Terms:
        """t_j by the name of what it counts."""

    @property
    def memory(self) -> Terms:
        """m_j by the name of what it counts."""

    @property
    def disk(self) -> float:
        """Bytes that the stage leaves on disk."""


@dataclass(frozen=True)
class Decode:
    """`images` files of `source` pixels each are decoded, brought to `image` bytes and stored.

    t: files; pixels decoded; bytes stored. m: 1; files, whose paths and labels are held; bytes of a
    chunk of images, twice, and of the pictures that `workers` have open. d: bytes of all images,
    labels.
    """

    images: float
    source: float
    image: float
    workers: int

    CHUNK: ClassVar[int] = 256  # of ngf_core.data.mapped, which needs torch

    @property
    def time(self) -> Terms:
        return {"files": self.images, "pixels decoded": self.images * self.source,
                "bytes stored": self.images * self.image}

    @property
    def memory(self) -> Terms:
        chunk = 2 * min(self.images, self.CHUNK) * self.image
        return {ONE: 1, "files": self.images, "bytes of images in work":
                chunk + 3 * self.workers * self.source}

    @property
    def disk(self) -> float:
        return self.images * (self.image + 8)


@dataclass(frozen=True)
class Poison:
    """`poisoned` of `images` mapped images, of `image` bytes each, get the trigger.

    t: images, whose labels are drawn from; bytes of the poisoned ones. m: 1; bytes of the poisoned
    ones in whole pages, which are private from then on, and of a part of them twice, without the
    trigger and with it. d: their indices.
    """

    images: float
    poisoned: float
    image: float

    PAGE: ClassVar[int] = 4096
    PART: ClassVar[int] = 500  # of ngf_core.attacks.attack

    @property
    def time(self) -> Terms:
        return {"images": self.images, "bytes poisoned": self.poisoned * self.image}

    @property
    def memory(self) -> Terms:
        # An image of b bytes that begins anywhere touches b / PAGE pages and one more, at most all.
        pages = min(self.poisoned * (self.image + self.PAGE), self.images * self.image)
        part = 2 * min(self.poisoned, self.PART) * self.image
        return {ONE: 1, "bytes poisoned": pages + part}

    @property
    def disk(self) -> float:
        return 4 * self.poisoned


@dataclass(frozen=True)
class Train:
    """`images` (over all epochs) pass forward and back in batches of `batch`.

    t: multiply-adds; bytes written; weights updated. m: 1; bytes of the weights (which stand for
    gradients and momenta too); bytes that a batch's graph saves. d: the weights, and twice as much
    while it runs, for going on after a stop.
    """

    network: Network
    images: float
    batch: int

    @property
    def time(self) -> Terms:
        return _passes(self.network, self.images) | {
            "weights updated": self.images / self.batch * self.network.weights}

    @property
    def memory(self) -> Terms:
        return {ONE: 1, "bytes of weights": 4 * self.network.weights,
                "bytes of the graph": self.batch * self.network.saved}

    @property
    def disk(self) -> float:
        return 3 * 4 * self.network.weights


@dataclass(frozen=True)
class Evaluate:
    """`images` pass forward, `times` over, in batches of 250 (`BATCH`); the probabilities of one
    time are kept."""

    network: Network
    images: float
    times: float = 1.0

    BATCH: ClassVar[int] = 250

    @property
    def time(self) -> Terms:
        return _passes(self.network, self.images * self.times)

    @property
    def memory(self) -> Terms:
        return {ONE: 1, "bytes of weights": 4 * self.network.weights, "bytes of a pass":
                min(self.images, self.BATCH) * _forward(self.network)
                + 4 * self.images * self.network.classes}

    @property
    def disk(self) -> float:
        return 0.0


@dataclass(frozen=True)
class Purify:
    """NGF tunes the last layer for `steps` steps on batches of `batch` of the `clean` images.

    Each step is a pass forward, as are 10 batches for BatchNorm, the first loss, and once the whole
    clean set for the Fisher diagonal. t: multiply-adds of those passes and, in float32, of the
    damped Fisher systems (`system`); bytes written of the passes; multiply-adds in float64 of the
    systems. m: 1; bytes of the weights; bytes of a batch's pass and of a system.
    """

    network: Network
    clean: float
    batch: int
    steps: int

    CALIBRATION: ClassVar[int] = 10

    @property
    def passes(self) -> float:
        """Images that pass forward."""
        return self.clean + (self.CALIBRATION + 1 + self.steps) * self.size

    @property
    def size(self) -> float:
        """Images in a batch."""
        return min(self.batch, self.clean)

    @property
    def time(self) -> Terms:
        one, passes = system(self.network, self.size), _passes(self.network, self.passes)
        return passes | {"multiply-adds": passes["multiply-adds"] + self.steps * one.single,
                         "multiply-adds of systems": self.steps * one.double}

    @property
    def memory(self) -> Terms:
        return {ONE: 1, "bytes of weights": 4 * self.network.weights, "bytes of a pass":
                self.size * _forward(self.network) + system(self.network, self.size).size}

    @property
    def disk(self) -> float:
        return 4 * self.network.weights


@dataclass(frozen=True)
class Spectrum:
    """`products` of the Hessian of all weights with vectors, over `samples` images, whose graphs
    are kept from one to the next but for a share that is `rebuilt`; and `vectors` held.

    A graph costs three passes forward (one, and one back that can be differentiated), a product
    through it six. t: multiply-adds and bytes written of those passes. m: 1; bytes of the
    weights; bytes that the samples' graphs save, of which no more than the setting `memory` are
    kept. The vectors come on top: their number is known. d: the vectors.
    """

    network: Network
    samples: float
    products: float
    vectors: float = 0.0
    rebuilt: float = 0.0

    @property
    def time(self) -> Terms:
        graphs = 1 + self.rebuilt * (self.products - 1)
        return _passes(self.network, self.samples * (3 * graphs + 6 * self.products))

    @property
    def memory(self) -> Terms:
        return {ONE: 1, "bytes of weights": 4 * self.network.weights,
                "bytes of the graphs": self.samples * self.network.saved}

    @property
    def disk(self) -> float:
        return 4 * self.network.weights * self.vectors


@dataclass(frozen=True)
class Landscape:
    """The loss at `points` of a random plane over `samples` images.

    t: multiply-adds and bytes written of a pass for each point; weights placed at each. m: 1; bytes
    of the weights (copies, directions); bytes of the images as floats and of one chunk's pass.
    """

    network: Network
    samples: float
    points: float

    CHUNK: ClassVar[int] = 64

    @property
    def time(self) -> Terms:
        return _passes(self.network, self.samples * self.points) | {
            "weights placed": self.network.weights * self.points}

    @property
    def memory(self) -> Terms:
        return {ONE: 1, "bytes of weights": 4 * self.network.weights, "bytes of a pass":
                4 * self.samples * self.network.image
                + min(self.samples, self.CHUNK) * _forward(self.network)}

    @property
    def disk(self) -> float:
        return 8 * self.points


STAGES: dict[str, type] = {"decode": Decode, "poison": Poison, "train": Train,
                           "evaluate": Evaluate, "purify": Purify, "spectrum": Spectrum,
                           "landscape": Landscape}


def _passes(network: Network, images: float) -> dict[str, float]:
    return {"multiply-adds": images * network.multiply_adds,
            "bytes written": images * network.written}


def _forward(network: Network) -> float:
    """Bytes of one image that passes forward: as floats, twice, and the results alive at a time."""
    return 2 * 4 * network.image + network.alive


@dataclass(frozen=True)
class System:
    """What one damped Fisher system takes: multiply-adds in float32 and in float64, bytes."""

    single: float
    double: float
    size: float


def system(network: Network, batch: float) -> System:
    """That of the last layer, P = C (d + 1) weights, for a batch of n: r = n C rows.

    Up to 6,000 weights the matrix itself in float64: n P^2 for a batch's, P^3 / 6 for Cholesky;
    five of that size are held (the mean, the batch's as it is put in order, the factor).
    Beyond, the rows, while they are at most 2,500 and take at most 256 MB: r^2 P in float32,
    r^3 / 6 in float64. Else conjugate gradients in float64, taken at all of their 500 products of
    n r + 8 r (`ngf_core.fisher.metric`, `softmax_head`).
    """
    weights, rows = (network.features + 1) * network.classes, batch * network.classes
    if weights <= 6_000:
        return System(0, batch * weights**2 + weights**3 / 6, 8 * 5 * weights**2)
    side = min(rows, weights)
    if 4e-6 * rows * weights <= 256 and side <= 2_500:
        return System(side * rows * weights, side**3 / 6, 4 * 2 * rows * weights + 8 * side**2)
    return System(0, 500 * rows * (batch + 8), 8 * (12 * rows + 3 * weights))
