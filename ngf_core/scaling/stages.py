"""The stages of the work, and the terms of which each one's time and memory consist.

    seconds = sum_j a_j t_j     bytes of memory = sum_j b_j m_j     bytes on disk = d

t_j, m_j and d follow from what the code does with so many images, pixels and weights; a_j, b_j >= 0
are fitted to measurements (`fit.py`). Seconds are those of one core. The multiply-adds and the
bytes that a network writes stand beside each other because a core waits for one or for the other:
a network of few channels for memory, one of many for arithmetic.

Memory is what a process holds besides Python and the libraries, without pages of mapped files,
which the system takes back when it needs them. "bytes held" are those of the tensors that the code
has at its peak, counted one by one. Their coefficient is 0.96 for poisoning and 0.98 for purifying;
it is 1.45 for training and 1.31 for a spectrum, and what these hold beyond the count is not
explained. The constant is what the libraries allocate when they are first used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:  # it needs torch, and pages estimate without
    from ngf_core.scaling.network import Network

Terms = Mapping[str, float]
ONE, HELD = "1", "bytes held"


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
    """`poisoned` of `images` mapped images, of `image` bytes each, get the trigger, and so many
    beside them, the `cover`, are changed; where they are `redrawn`, again for each epoch.

    t: images, whose labels are drawn from; bytes of the poisoned ones, once. m: 1; bytes of the
    pages that the changed ones touch, which are private from then on, twice where those of the
    epoch before are held while the next are made, and of one part of them with the trigger (the
    part without it is freed before the pages are written); bytes of a part that the allocator keeps
    when they are freed, for the next, which it does not with a block above `KEPT`.
    d: their indices.
    """

    images: float
    poisoned: float
    image: float
    cover: float = 0.0
    redrawn: bool = False

    PAGE: ClassVar[int] = 4096
    PART: ClassVar[int] = 500  # of ngf_core.attacks.attack
    KEPT: ClassVar[int] = 32 << 20  # the largest threshold of glibc for blocks of their own

    @property
    def time(self) -> Terms:
        return {"images": self.images, "bytes poisoned": self.poisoned * self.image}

    @property
    def memory(self) -> Terms:
        part = min(self.poisoned, self.PART) * self.image
        return {ONE: 1, HELD: (1 + self.redrawn) * self.pages + part,
                "bytes of a part": part if part <= self.KEPT else 0}

    @property
    def pages(self) -> float:
        """Bytes of the pages that the changed images touch: an image of b bytes that begins at any
        multiple of g = gcd(b, PAGE) touches (b + PAGE - g) / PAGE on average; at most all."""
        touched = self.image + self.PAGE - gcd(int(self.image), self.PAGE)
        return min((self.poisoned + self.cover) * touched, self.images * self.image)

    @property
    def disk(self) -> float:
        return 4 * self.poisoned


@dataclass(frozen=True)
class Train:
    """`images` (over all epochs) pass forward and back in batches of `batch`.

    t: multiply-adds; bytes written; weights updated. m: 1; bytes held where the way forward ends:
    for each weight itself, its momentum and its gradient of the step before, in float32; what a
    batch's graph saves; under `bf16` half of that, and a copy of the weights. (On the way back no
    more is alive at a time: the graph goes as gradients come.) d: the weights, and twice as much
    while it runs, for going on after a stop.
    """

    network: Network
    images: float
    batch: int
    bf16: bool = True

    @property
    def time(self) -> Terms:
        return _passes(self.network, self.images) | {
            "weights updated": self.images / self.batch * self.network.weights}

    @property
    def memory(self) -> Terms:
        each, copied = (0.5, 2) if self.bf16 else (1.0, 0)
        return {ONE: 1, HELD: (3 * 4 + copied) * self.network.weights
                + each * self.batch * self.network.saved}

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
    systems. m: 1; bytes held: the weights, and a batch's pass or a system, whichever takes more,
    since no graph is kept from the one to the other. The pass is not in channels-last order, so
    that the maps alive are beside copies in the order in which oneDNN's convolutions work.
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
        a_pass = self.size * (_forward(self.network) + self.network.alive)
        return {ONE: 1, HELD: 4 * self.network.weights
                + max(a_pass, system(self.network, self.size).size)}

    @property
    def disk(self) -> float:
        return 4 * self.network.weights


@dataclass(frozen=True)
class Spectrum:
    """`products` of the Hessian of all weights with vectors, over `samples` images, whose graphs
    are kept from one to the next but for a share that is `rebuilt`; and `vectors` held.

    A graph costs three passes forward (one, and one back that can be differentiated), a product
    through it six. t: multiply-adds and bytes written of those passes. m: 1; bytes held during a
    product: the weights, the operator's copy of them, the vector as it is given and as it is
    copied, the product of a chunk and the sum over chunks; twice what a training pass saves for
    each sample (a graph that can be differentiated keeps the maps and their gradients), and once
    more for those of one chunk, whose cotangents wait for the way back through the maps. Of the
    graphs no more than the setting `memory` are kept. The vectors come on top: their number is
    known. d: the vectors.
    """

    network: Network
    samples: float
    products: float
    vectors: float = 0.0
    rebuilt: float = 0.0

    CHUNK: ClassVar[int] = 50  # of ngf_core.curvature, which needs torch
    GRAPH: ClassVar[int] = 2  # bytes that a graph keeps, for each that a training pass saves

    @property
    def time(self) -> Terms:
        graphs = 1 + self.rebuilt * (self.products - 1)
        return _passes(self.network, self.samples * (3 * graphs + 6 * self.products))

    @property
    def memory(self) -> Terms:
        chunk = min(self.samples, self.CHUNK)
        return {ONE: 1, HELD: 6 * 4 * self.network.weights
                + (self.GRAPH * self.samples + chunk) * self.network.saved}

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
    held are the mean, a copy with the damping, the factor, its absolute numbers, and three masks of
    a byte that look for one that is not finite. Beyond, the rows, while they are at most 2,500 and
    take at most 256 MB: r^2 P in float32, r^3 / 6 in float64; held are they and, as they are made,
    those of the weights without the biases, or then their products in both precisions, the factor,
    its absolute numbers and masks. Else conjugate gradients in float64, taken at all of their 500
    products of n r + 8 r; held are seven vectors of P in float32 and four in float64
    (`ngf_core.fisher.metric`, `rows`, `natural`, `softmax_head`).
    """
    weights, rows = (network.features + 1) * network.classes, batch * network.classes
    if weights <= 6_000:
        return System(0, batch * weights**2 + weights**3 / 6, (8 * 4 + 3) * weights**2)
    side = min(rows, weights)
    if 4e-6 * rows * weights <= 256 and side <= 2_500:
        made, solved = 4 * 2 * rows * weights, 4 * rows * weights + (4 + 3 * 8 + 3) * side**2
        return System(side * rows * weights, side**3 / 6, max(made, solved))
    return System(0, 500 * rows * (batch + 8), 8 * 12 * rows + (4 * 7 + 8 * 4) * weights)
