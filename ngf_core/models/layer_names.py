"""What a text names among the layers of a network: layers, blocks, all of them."""

from collections.abc import Iterable, Sequence

from ngf_core.errors import ConfigError

AUTO, ALL, LAST = "auto", "all", "last"


def named_layers(names: Sequence[str], text: str) -> list[str]:
    """Those of a network's layers `names` that `text` names, in their order, each once.

    text: a layer ("blocks.2.conv1"), a block for all its layers ("blocks.2"), "last", "all", or
    several of these separated by commas. Raises ConfigError, listing the choices, for a part that
    names no layer, for "auto", which stands for a layer that is yet to be chosen, and for a network
    that has none.
    """
    if not names:
        raise ConfigError("layer", "this network has no convolution and no linear layer, and only "
                          "these are tuned", "Its spectrum and its landscape can be computed.")
    chosen: set[str] = set()
    for part in text.replace(" ", "").split(","):
        inside = [name for name in names if part in (ALL, name) or name.startswith(f"{part}.")]
        if part == LAST:
            inside = list(names[-1:])
        if part == AUTO:
            raise ConfigError("layer", "auto names no layer until one is chosen on clean data",
                              "Use auto alone, or call ngf_core.layers.choose_layer first and name "
                              "what it chose.")
        if not inside:
            held = ", ".join(blocks(names))
            raise ConfigError("layer", f"this network has no layer {part!r}",
                              f"Choose one of {', '.join(names)}"
                              f"{f', a block ({held})' if held else ''}, last or all.")
        chosen.update(inside)
    return [name for name in names if name in chosen]


def blocks(names: Iterable[str]) -> tuple[str, ...]:
    """The names of the blocks that hold at least two of the layers `names`, in their order.

    Where a block holds the same layers as another inside it, it is named by the outer one.
    """
    held: dict[str, list[str]] = {}
    for name in names:
        steps = name.split(".")
        for depth in range(1, len(steps)):
            held.setdefault(".".join(steps[:depth]), []).append(name)
    first: dict[tuple[str, ...], str] = {}
    for block, inside in held.items():
        if len(inside) > 1:
            first.setdefault(tuple(inside), block)
    return tuple(first.values())
