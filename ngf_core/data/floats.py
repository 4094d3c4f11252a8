"""uint8 images as the floats that networks take."""

import torch
from torch import Tensor


def as_floats(x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """uint8 images as x / 255 in [0, 1], of type `dtype`; all other inputs as they are.

    Divided where x is: a GPU multiplies by 1 / 255, which may differ in the last bit.
    """
    # In place, since the converted images are new and a whole set of them is large.
    return x.to(dtype).div_(255) if x.dtype == torch.uint8 else x
