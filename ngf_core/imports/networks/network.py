"""What a family tells of a network that it recognised."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import nn

Shapes = Mapping[str, tuple[int, ...]]
COUNTS = "num_batches_tracked"  # of BatchNorm, which a file may lack


@dataclass(frozen=True)
class Hints:
    """What shapes do not tell, as the user or the file says it; 0 where nobody does."""

    heads: int = 0  # of a transformer's attention


@dataclass(frozen=True)
class Network:
    """A network of a family: its name, for people, and the module.

    side: the height and width of the only images that it takes; 0 where it takes any. assumed: what
    the shapes do not tell and was taken as usual, as sentences.
    """

    name: str
    module: nn.Module
    side: int = 0
    assumed: tuple[str, ...] = field(default=())

    @property
    def channels(self) -> int:
        """Of the images it takes; 0 where it does not begin with a convolution."""
        first = next(iter(self._layers()))
        return first.in_channels if isinstance(first, nn.Conv2d) else 0

    @property
    def classes(self) -> int:
        """Outputs of its last layer."""
        return int(self._layers()[-1].weight.shape[0])

    def _layers(self) -> list[nn.Conv2d | nn.Linear]:
        return [module for module in self.module.modules()
                if isinstance(module, nn.Conv2d | nn.Linear)]


def alike(shapes: Shapes, own: Shapes) -> bool:
    """Whether a file names so many of a network's tensors, and so few others, that it is meant to
    hold that network: four of five names are in both."""
    has, wants = set(shapes), set(own)
    return 5 * len(has & wants) >= 4 * len(has | wants)


def misfits(shapes: Shapes, own: Shapes) -> list[str]:
    """The names of the tensors that differ, or are missing, in a file or in a network."""
    return [name for name in dict.fromkeys([*own, *shapes]) if shapes.get(name) != own.get(name)
            and not (name.endswith(COUNTS) and name not in shapes)]


def stages(shapes: Shapes, prefix: str) -> list[int]:
    """How many numbered parts there are below prefix1, prefix2, ...: blocks of each stage."""
    counts: list[int] = []
    while True:
        stem = f"{prefix}{len(counts) + 1}."
        numbers = {name[len(stem):].partition(".")[0] for name in shapes if name.startswith(stem)}
        if not numbers or not all(number.isdigit() for number in numbers):
            return counts
        counts.append(len(numbers))


def staged(block: Callable[[int, int, int, bool], nn.Module], shapes: Shapes, counts: list[int],
           wide: int) -> tuple[list[nn.Sequential], int]:
    """The stages layer1, layer2, ... of basic blocks, and the channels after the last.

    block(channels before, channels, stride, has a shortcut); each stage but the first begins with
    stride 2. wide: the channels before the first.
    """
    parts = []
    for stage, count in enumerate(counts, 1):
        blocks = []
        for i in range(count):
            name = f"layer{stage}.{i}"
            width = shapes[f"{name}.conv1.weight"][0]
            blocks.append(block(wide, width, 2 if stage > 1 and not i else 1,
                                f"{name}.shortcut.0.weight" in shapes))
            wide = width
        parts.append(nn.Sequential(*blocks))
    return parts, wide
