"""Data sets. A new one is a module here with a function `load()`, and an entry below.

`load() -> (images uint8 (n, C, H, W), labels int64 (n,))` returns all images in a fixed order
that mixes the classes; `ngf_core.data.dataset` splits them.
"""

from dataclasses import dataclass

from ngf_core.registry import Entry


@dataclass(frozen=True)
class DatasetEntry(Entry):
    """`class_names` in the order of the labels; `train_images` is what the split leaves."""

    class_names: tuple[str, ...]
    train_images: int


DATASETS = {
    "signs": DatasetEntry("Signs", "ngf_core.data.signs:load", (
        "stop", "yield", "no entry", "speed limit 30", "speed limit 80", "priority road",
        "keep right", "keep left", "roundabout", "general danger"), 4750),
    "digits": DatasetEntry("Digits", "ngf_core.data.digits:load", tuple("0123456789"), 3800),
}
AUGMENTATIONS = ("none", "crop", "strong")
