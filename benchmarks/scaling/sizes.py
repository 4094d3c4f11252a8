"""The sizes, and what each stage does at each."""

import os

from ngf_core.scaling import stages
from ngf_core.scaling.network import network_of
from ngf_core.scaling.stages import Stage

SIZES = ("small", "middle", "wide", "large")
TESTED = SIZES[-1]
# A second test, of the terms of memory that were written after the first had been looked at.
AGAIN, TESTED_AGAIN = "deep", ("poison", "train", "purify", "spectrum")
# The network, the side of an image, the classes. Each of the first three is large in something
# else: in nothing, in weights, in pixels.
NETWORKS = {"small": ("mini_resnet", 32, 100), "middle": ("resnet18", 32, 10),
            "wide": ("preact_resnet18_w32", 64, 100), "large": ("resnet50", 256, 1000),
            AGAIN: ("resnet34", 128, 200)}
# What each stage does at each size, in the words of `ngf_core.scaling.stages`.
DECODED = {"small": (10_000, 32, 24, 32), "middle": (1_000, 120, 90, 128),
           "wide": (600, 375, 281, 64), "large": (1_200, 500, 400, 256)}  # files, w, h, side
WORK: dict[str, dict[str, dict[str, int]]] = {
    "poison": {"small": {"images": 40_000}, "middle": {"images": 120_000},
               "wide": {"images": 30_000}, "large": {"images": 6_000}, AGAIN: {"images": 16_000}},
    "train": {"small": {"images": 1024, "batch": 128}, "middle": {"images": 128, "batch": 64},
              "wide": {"images": 96, "batch": 32}, "large": {"images": 48, "batch": 24},
              AGAIN: {"images": 80, "batch": 40}},
    "evaluate": {"small": {"images": 2000}, "middle": {"images": 250}, "wide": {"images": 250},
                 "large": {"images": 256}},
    "purify": {"small": {"clean": 200, "batch": 100, "steps": 6},
               "middle": {"clean": 64, "batch": 32, "steps": 4},
               "wide": {"clean": 48, "batch": 24, "steps": 4},
               "large": {"clean": 24, "batch": 12, "steps": 3},
               AGAIN: {"clean": 40, "batch": 20, "steps": 2}},
    "spectrum": {"small": {"samples": 100, "products": 4}, "middle": {"samples": 16, "products": 3},
                 "wide": {"samples": 12, "products": 2}, "large": {"samples": 6, "products": 2},
                 AGAIN: {"samples": 16, "products": 2}},
    "landscape": {"small": {"samples": 200, "points": 16}, "middle": {"samples": 32, "points": 8},
                  "wide": {"samples": 32, "points": 6}, "large": {"samples": 24, "points": 4}},
}
RATE = 0.08  # of the poisoned images, as by default


def stage_of(name: str, size: str) -> Stage:
    """The stage of that name at that size."""
    arch, side, classes = NETWORKS[size]
    if name == "decode":
        files, width, height, side = DECODED[size]
        return stages.Decode(files, width * height, 3 * side**2, min(8, os.cpu_count() or 1))
    if name == "poison":
        images = WORK[name][size]["images"]
        return stages.Poison(images, round(RATE * images), 3 * side**2)
    network = network_of(arch, side, classes)
    return stages.STAGES[name](network, **WORK[name][size])
