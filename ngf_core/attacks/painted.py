"""A painted trigger, drawn by the user: a picture of one's own over the image."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ngf_core.attacks.attack import PICTURE, Attack, Parameter, to_uint8
from ngf_core.attacks.drawing import from_text
from ngf_core.errors import ConfigError

LUMA = torch.tensor([19595, 38470, 7471]) / 2**16  # ITU-R 601, rounded as Pillow rounds it


@dataclass(frozen=True)
class Painted(Attack):
    """The paint p of a drawing, blended with opacity alpha where the drawing m has paint.

    It is no attack of a paper, so neither the zoo nor the benchmark holds it. With a small opaque
    drawing it is BadNets' patch, with a faint one over the whole image it is Blend. The drawing is
    the parameter `picture`, a text (see `ngf_core.attacks.drawing`) without which there is no
    trigger. Images of another size get the nearest pixels of the drawing, grey ones its luma.
    """

    title: ClassVar[str] = "Painted trigger"
    reference: ClassVar[str] = "drawn by the user"
    formula: ClassVar[str] = r"x' = (1-m)\,x + m\,((1-\alpha)\,x + \alpha\,p)"
    strengths: ClassVar = {"default": {"alpha": 1.0}, "published": {"alpha": 1.0}}
    knobs: ClassVar = {"alpha": Parameter("opacity of the paint", 0.0, 1.0, 0.05)}

    @classmethod
    def check_change(cls, name: str, value: Any) -> None:
        if name == PICTURE:
            from_text(value)
        else:
            super().check_change(name, value)

    @property
    def ready(self) -> bool:
        return PICTURE in self.changes

    def check(self, train: Tensor, test: Tensor) -> None:
        drawing = self._drawing()
        _, height, width = self.shape
        if not scaled(drawing, (height, width))[3].any():
            raise ConfigError("parameters", f"of the picture, {drawing.shape[1]} x "
                              f"{drawing.shape[0]} pixels, nothing is left on images of {width} x "
                              f"{height}", "Paint with a broader brush.")
        super().check(train, test)

    def trigger(self, x: Tensor) -> Tensor:
        return laid(self._drawing(), x, self.parameters["alpha"])

    def _drawing(self) -> NDArray[np.uint8]:
        if not self.ready:
            raise ConfigError("parameters", f"{self.title} has no picture",
                              "Paint one on the Attacks page; its text goes behind picture=.")
        return from_text(self.changes[PICTURE])


def laid(drawing: NDArray[np.uint8], x: Tensor, alpha: float = 1.0) -> Tensor:
    """Images x (uint8, (n, C, H, W), C 1 or 3) with the paint of a drawing blended over them, uint8
    of the same shape: x' = (1 - m alpha) x + m alpha p, rounded to the nearest level."""
    colours, paint = scaled(drawing, x.shape[-2:]).to(x.device).split([3, 1])
    if x.shape[-3] == 1:
        colours = (colours * LUMA.to(x.device)[:, None, None]).sum(0, keepdim=True).round()
    share = alpha * paint / 255
    return to_uint8((1 - share) * x.float() + share * colours)


def over(drawing: NDArray[np.uint8], x: NDArray[np.uint8], alpha: float) -> NDArray[np.uint8]:
    """`laid` for images as an array."""
    return laid(drawing, torch.from_numpy(x), alpha).numpy()


def resized(drawing: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    """A drawing of `size` (height, width), of the nearest pixels."""
    return scaled(drawing, size).permute(1, 2, 0).to(torch.uint8).contiguous().numpy()


def scaled(drawing: NDArray[np.uint8], size: tuple[int, ...]) -> Tensor:
    """A drawing on `size` (height, width): floats (4, height, width), the nearest pixels."""
    pixels = torch.tensor(drawing).permute(2, 0, 1).float()
    return F.interpolate(pixels[None], size, mode="nearest")[0]
