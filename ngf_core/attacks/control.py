"""What an attack controls in training: the images of an epoch, the loss of a batch, own updates.

Training calls these three and nothing else, so it treats all attacks alike. An attack that only
poisons the data uses `Control` as it is; one that controls training overrides what it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from ngf_core.attacks.attack import Attack
    from ngf_core.data.dataset import Images

NONE = torch.empty(0, dtype=torch.int64)


@dataclass(frozen=True)
class Poisoned:
    """A poisoned training set.

    Of `images` those at `indices` (sorted) carry the trigger and their target label. Those at
    `cover` (sorted, none of `indices`) were changed too but keep their label, so that the change
    as such is no cue: WaNet's noise images, cross-triggered ones, mixes within a class.
    """

    images: Images
    indices: Tensor
    cover: Tensor = NONE


class Control:
    """Poisons once, or every epoch where the attack is `redrawn_each_epoch`; plain cross-entropy.

    `attack` is the attack with what it has learned so far (None in benign training); a subclass
    that trains a generator updates it, and adds the generator and its optimiser to `state`.
    """

    def __init__(self, attack: Attack | None, images: Images, generator: torch.Generator) -> None:
        self.attack, self.images, self.generator = attack, images, generator
        self._poisoned = Poisoned(images, NONE)
        self._before_draw = generator.get_state()

    def state(self) -> dict[str, Any]:
        """What later epochs depend on besides the attack's settings, as plain values and tensors.
        """
        return {"learned": {} if self.attack is None else dict(self.attack.learned),
                "before_draw": self._before_draw}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on after the epoch of that `state`; the set poisoned then is drawn again."""
        if self.attack is None:
            return
        self.attack = self.attack.with_learned(state["learned"])
        if not self.attack.redrawn_each_epoch:
            self._before_draw = state["before_draw"]
            drawing = torch.Generator()
            drawing.set_state(self._before_draw)
            self._poisoned = self.attack.poison(self.images, drawing)

    def epoch(self, number: int, model: nn.Module) -> Poisoned:
        """The training set of epoch `number`, from 0, given the model after the epoch before."""
        if self.attack is not None and (number == 0 or self.attack.redrawn_each_epoch):
            self._poisoned = self._drawn()
        return self._poisoned

    def _drawn(self) -> Poisoned:
        assert self.attack is not None
        self._before_draw = self.generator.get_state()
        return self.attack.poison(self.images, self.generator)

    def loss(self, model: nn.Module, rows: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """The loss of one batch: images x (uint8, on the device) at `rows` of the epoch's set.

        The model is in training mode; training calls backward on the result.
        """
        return F.cross_entropy(model(x), y)

    def step(self) -> None:
        """Called after each update of the model: the place to update a generator."""
