"""Models as they are given: what they answer, and what torch.compile wraps them in."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from torch import Tensor, nn

from ngf_core.errors import ConfigError

FIX = ("Wrap it in a module that returns them or, for purify, say what they are of an answer, such "
       "as logits=lambda answer: answer[0].")


class Logits(Protocol):
    """From what a model answers to its logits (n, classes)."""

    def __call__(self, answer: Any, /) -> Tensor: ...


def logits_of(answer: Any) -> Tensor:
    """The logits (n, classes) of an answer in which they are unambiguous: the answer itself, its
    `logits` or entry of that name, or the only tensor (n, m) of a tuple or list.

    ConfigError for any other answer.
    """
    found = answer
    if isinstance(answer, Mapping):
        found = answer.get("logits", answer)
    elif hasattr(answer, "logits"):
        found = answer.logits
    elif isinstance(answer, tuple | list):
        flat = [part for part in answer if isinstance(part, Tensor) and part.ndim == 2]
        found = flat[0] if len(flat) == 1 else answer
    if isinstance(found, Tensor) and found.ndim == 2:
        return found
    what = f"of shape {tuple(found.shape)}" if isinstance(found, Tensor) else \
        f"a {type(answer).__name__}"
    raise ConfigError("model", f"its answer is {what}, not logits (n, classes)", FIX)


@contextmanager
def answering(model: nn.Module, logits: Logits | None) -> Iterator[None]:
    """Within, the model answers with what `logits` makes of its answer; None: as it is."""
    if logits is None:
        yield
        return
    # A hook, which copies of the model that a method makes have too.
    handle = model.register_forward_hook(lambda _, args, answer: logits(answer))
    try:
        yield
    finally:
        handle.remove()


def with_logits(answer: Any) -> Any:
    """A tensor as it is, which may be more than logits to a loss of the caller's; `logits_of` any
    other answer."""
    return answer if isinstance(answer, Tensor) else logits_of(answer)


def plain_copy(model: nn.Module) -> nn.Module:
    """A copy of the model that torch.compile has wrapped neither as a whole nor in parts.

    Raises RuntimeError where the model holds tensors that cannot be copied.
    """
    made = copy.deepcopy(uncompiled(model))
    uncompile_parts(made)
    return made


def uncompiled(model: nn.Module) -> nn.Module:
    """What torch.compile has wrapped, or the model itself where it was not compiled as a whole."""
    inner = getattr(model, "_orig_mod", None)
    return uncompiled(inner) if isinstance(inner, nn.Module) else model


def uncompile_parts(model: nn.Module) -> None:
    """Replace each part that torch.compile has wrapped by the part itself, in place."""
    for module in list(model.modules()):
        for name, part in list(module.named_children()):
            if uncompiled(part) is not part:
                setattr(module, name, uncompiled(part))
