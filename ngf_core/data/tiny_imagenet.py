"""Tiny-ImageNet: 64 x 64 photographs in 200 classes of ImageNet, 500 for training in each.

Y. Le, X. Yang, "Tiny ImageNet visual recognition challenge", Stanford CS 231N, 2015. Labels are
the lines of wnids.txt, the test part is `val`: that of the archive's `test` has no public labels.
"""

from functools import partial
from pathlib import Path

from ngf_core.data.folder import listed_images
from ngf_core.data.source import Content, DataFiles, damaged, file_part, require
from ngf_core.errors import NGFError

PLACES = ("wnids.txt", "words.txt", "train", "val/images", "val/val_annotations.txt")


def tiny_imagenet(root: Path) -> DataFiles:
    """Tiny-ImageNet in root/tiny-imagenet-200, or in root itself where that has its wnids.txt."""
    folder = root if (root / "wnids.txt").is_file() else root / "tiny-imagenet-200"
    return DataFiles(require("tiny_imagenet", folder, PLACES), partial(_read, folder))


def _read(folder: Path) -> Content:
    wnids = _lines(folder / "wnids.txt")
    label = {wnid: i for i, wnid in enumerate(wnids)}
    if len(label) < max(2, len(wnids)):
        raise damaged("tiny_imagenet", folder / "wnids.txt", "it must have one class per line, "
                      "each once")
    images = {wnid: folder / "train" / wnid / "images" for wnid in wnids}
    train = []
    for wnid, place in images.items():
        found = listed_images(place) if place.is_dir() else []
        if not found:
            raise NGFError(f"{place} holds no images, but wnids.txt lists the class. Unpack the "
                           "archive of Tiny-ImageNet again.")
        train += [(path, label[wnid]) for path in found]
    return Content(_names(folder / "words.txt", wnids), file_part(train),
                   file_part(_truth(folder / "val", label)))


def _truth(folder: Path, label: dict[str, int]) -> list[tuple[str, int]]:
    path = folder / "val_annotations.txt"
    samples = []
    for number, line in enumerate(_lines(path), 1):
        file, wnid, *_ = *line.split("\t"), ""
        if wnid not in label:
            raise damaged("tiny_imagenet", path, f"line {number} does not name an image and a "
                          "class")
        samples.append((str(folder / "images" / file), label[wnid]))
    if not samples:
        raise damaged("tiny_imagenet", path, "it is empty")
    return samples


def _names(path: Path, wnids: list[str]) -> tuple[str, ...]:
    """The first of each class's names, with the id where two classes share it.

    words.txt has the names of all of WordNet.
    """
    words = dict(line.split("\t", 1) for line in _lines(path) if "\t" in line)
    missing = [wnid for wnid in wnids if wnid not in words]
    if missing:
        raise damaged("tiny_imagenet", path, f"it has no name for {missing[0]}")
    first = [words[wnid].split(",")[0].strip() for wnid in wnids]
    return tuple(f"{name} ({wnid})" if first.count(name) > 1 else name
                 for name, wnid in zip(first, wnids))


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise damaged("tiny_imagenet", path, "it is not text") from error
