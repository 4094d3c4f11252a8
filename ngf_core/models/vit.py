"""Vision transformers (Dosovitskiy et al. 2020, arXiv 2010.11929).

`vit_small` has the sizes of DeiT-S (Touvron et al. 2020, arXiv 2012.12877): 12 blocks of width 384
with 6 heads, 22 million parameters. `mini_vit` has 4 blocks of width 64 with 4 heads, 0.2 million.
Patches are 4x4 on images of up to 32 pixels, 8x8 up to 64 and 16x16 above.

Written out rather than torchvision's, whose attention neither calls its projections as layers,
so that they could not be tuned, nor has the second derivatives that curvature needs.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.models.normalise import Normalise

SIZES = {"mini_vit": (64, 4, 4), "vit_small": (384, 12, 6)}


class Block(nn.Module):
    """x + attention(LN(x)), then x + MLP(LN(x)), for tokens x (n, T, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.linear1 = nn.Linear(width, 4 * width)
        self.linear2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))

    def attention(self, x: Tensor) -> Tensor:
        """softmax(Q K^T / sqrt(width of a head)) V for each head, side by side, then `out`."""
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


class VisionTransformer(nn.Module):
    """Patches and a class token with learned positions, blocks, one linear layer on the token."""

    def __init__(self, width: int, depth: int, heads: int, shape: tuple[int, int, int],
                 classes: int) -> None:
        super().__init__()
        channels, *sides = shape
        self.patch = next((p for p in (4, 8) if max(sides) <= 8 * p), 16)
        tokens = 1
        for side in sides:
            tokens *= -(-side // self.patch)
        self.normalise = Normalise()
        self.patches = nn.Conv2d(channels, width, self.patch, self.patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, 1 + tokens, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.linear = nn.Linear(width, classes)
        for values in (self.token, self.positions, *(m.weight for m in self.modules()
                                                     if isinstance(m, nn.Linear))):
            nn.init.trunc_normal_(values, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.normalise(x)
        height, width = x.shape[2:]
        # A last, incomplete patch is filled with grey, so that no border is cut off.
        x = F.pad(x, (0, -width % self.patch, 0, -height % self.patch))
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.linear(self.norm(self.blocks(x))[:, 0])


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network called `name` for images of `shape` (C, H, W)."""
    return VisionTransformer(*SIZES[name], shape, classes)
