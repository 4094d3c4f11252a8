"""Which network a table of tensors belongs to, from names and shapes alone."""

from collections.abc import Callable

import torch

from ngf_core.errors import ConfigError
from ngf_core.imports.networks import NETWORKS
from ngf_core.imports.networks.network import Hints, Network, Shapes, misfits
from ngf_core.imports.received import settled

Family = Callable[[Shapes, Hints], Network | None]
LISTED = 6
OWN = "Load it through the library instead (`ngf_core.library`), or with `ngf import --builder "
OTHERWISE = f"{OWN}module:function`, which names your own code."


def recognise(shapes: Shapes, hints: Hints | None = None) -> Network:
    """The network that has exactly these tensors, without weights (on the device "meta").

    Raises ConfigError where no network has names like these, and otherwise, tensor by tensor, for
    the network that differs in fewest.
    """
    found, _ = _recognised(shapes, hints or Hints())
    return found


def build(shapes: Shapes, hints: Hints | None = None) -> Network:
    """The network of `recognise` on the CPU, without what would make it random. Raises as it."""
    hints = hints or Hints()
    _, family = _recognised(shapes, hints)
    with torch.random.fork_rng(devices=[]):
        found = family(shapes, hints)
    assert found is not None  # it was recognised
    settled(found.module)
    return found


def _recognised(shapes: Shapes, hints: Hints) -> tuple[Network, Family]:
    nearest, wrong = None, list(shapes)
    with torch.device("meta"):
        for entry in NETWORKS.values():
            family: Family = entry.load()
            try:
                found = family(shapes, hints)
            except ConfigError:
                raise
            except Exception:  # names of this family with shapes that none of its networks has
                continue
            if found is None:
                continue
            if not found.classes:
                raise ConfigError("file", f"has the names of {found.name}, but answers with no "
                                  "class", OTHERWISE)
            own = {name: tuple(value.shape) for name, value in found.module.state_dict().items()}
            misfit = differences(shapes, own)
            if not misfit:
                return found, family
            if len(misfit) < len(wrong):
                nearest, wrong = found, misfit
    if nearest is not None:
        more = f" and {len(wrong) - LISTED} more" if len(wrong) > LISTED else ""
        raise ConfigError("file", f"has the names of {nearest.name}, but "
                          f"{'; '.join(wrong[:LISTED])}{more}", OTHERWISE)
    names = ", ".join(list(shapes)[:LISTED])
    raise ConfigError("file", f"{len(shapes)} tensors ({names}, ...) are those of no network "
                      "that is known here", OTHERWISE)


def differences(shapes: Shapes, own: Shapes) -> list[str]:
    """Where the file's tensors and the network's differ, one sentence part per tensor."""
    return [f"{name} is {_shape(shapes, name)} in the file and {_shape(own, name)} in the network"
            for name in misfits(shapes, own)]


def _shape(shapes: Shapes, name: str) -> str:
    return "x".join(map(str, shapes[name])) or "a number" if name in shapes else "missing"
