"""Vision transformers (Dosovitskiy et al. 2020, arXiv 2010.11929) with timm's names.

cls_token, pos_embed, patch_embed.proj, blocks of norm1, attn.qkv, attn.proj, norm2, mlp.fc1 and
mlp.fc2, norm, head. Any width, depth and patch; the class token answers, layer norms have
epsilon 1e-6, as timm's vit_* have them.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.errors import ConfigError
from ngf_core.imports.networks.network import Hints, Network, Shapes

HEAD = 64  # width of an attention head in the published sizes


class Attention(nn.Module):
    """softmax(Q K^T / sqrt(width of a head)) V for each head, side by side, then `proj`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two linear layers with GELU between."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """x + attn(norm1(x)), then x + mlp(norm2(x))."""

    def __init__(self, width: int, inner: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, inner)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Patches(nn.Module):
    """Patches as tokens (n, T, width)."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """Class token, learned positions, blocks, one linear layer on the token."""

    def __init__(self, shapes: Shapes, heads: int) -> None:
        super().__init__()
        width, channels, patch, _ = shapes["patch_embed.proj.weight"]
        depth = len({name.split(".")[1] for name in shapes if name.startswith("blocks.")})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(shapes["pos_embed"]))
        self.patch_embed = Patches(channels, width, patch)
        inner = shapes["blocks.0.mlp.fc1.weight"][0]
        self.blocks = nn.Sequential(*(Block(width, inner, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, shapes["head.weight"][0])

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


def network(shapes: Shapes, hints: Hints) -> Network | None:
    """The network, where timm's names are there and the patches form a square."""
    if not {"cls_token", "pos_embed", "patch_embed.proj.weight", "head.weight",
            "blocks.0.attn.qkv.weight", "blocks.0.mlp.fc1.weight"} <= shapes.keys():
        return None
    width, _, patch, _ = shapes["patch_embed.proj.weight"]
    side = patch * math.isqrt(shapes["pos_embed"][1] - 1)
    heads = hints.heads or max(1, width // HEAD)
    if width % heads:
        raise ConfigError("heads", f"{heads} attention heads do not divide the width {width}",
                          "Give the number that the network was trained with.")
    assumed = () if hints.heads else (
        f"{heads} attention heads (width {width} in heads of {HEAD}): shapes do not tell",)
    return Network(f"vision transformer, width {width}, patch {patch}",
                   VisionTransformer(shapes, heads), side, assumed)
