"""Small data sets in the files of large ones, written here and not by what reads them."""

import gzip
import hashlib
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from ngf_core.data.dataset import Dataset, Images
from ngf_core.data.torchvision_guard import torchvision

WNIDS = ("n02124075", "n01443537", "n04067472")


@dataclass(frozen=True)
class Written:
    """What was put into the files of one part: pixels (n, C, H, W), labels (n,)."""

    x: np.ndarray
    y: np.ndarray

    def pairs(self) -> list[tuple[int, bytes]]:
        return sorted((int(y), x.tobytes()) for x, y in zip(self.x, self.y))


def written(count: int, classes: int, shape: tuple[int, int, int], seed: int) -> Written:
    """`count` images of each class, of noise that is different in all."""
    random = np.random.default_rng(seed)
    y = random.permutation(np.arange(count * classes) % classes)
    return Written(random.integers(0, 256, (len(y), *shape), dtype=np.uint8), y)


def pairs(*parts: Images) -> list[tuple[int, bytes]]:
    """Labels and pixels of images, sorted, to be compared with `Written.pairs`."""
    return sorted((int(y), x.numpy().tobytes()) for part in parts for x, y in zip(part.x, part.y))


def assert_holds(dataset: Dataset, train: Written, test: Written) -> None:
    """The data set is exactly what was written, and its parts are disjoint and not empty."""
    assert len(dataset.train) and len(dataset.reserve)
    assert pairs(dataset.train, dataset.reserve) == train.pairs()
    assert pairs(dataset.test) == test.pairs()


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def cifar(root: Path, monkeypatch: pytest.MonkeyPatch, name: str = "CIFAR10"
          ) -> tuple[Written, Written]:
    """CIFAR with 20 images a batch; torchvision is told the MD5 of these files."""
    cls = getattr(torchvision.datasets, name)
    classes, key = (10, "labels") if name == "CIFAR10" else (100, "fine_labels")
    folder = root / cls.base_folder
    folder.mkdir()
    parts = []
    for attribute in ("train_list", "test_list"):
        batches, listed = [], []
        for number, (file, _) in enumerate(getattr(cls, attribute)):
            batch = written(2 if classes == 10 else 1, classes, (3, 32, 32), 10 * len(parts)
                            + number)
            entry = {"data": batch.x.reshape(len(batch.y), 3072), key: batch.y.tolist(),
                     "batch_label": "made up"}
            if key == "fine_labels":
                entry["coarse_labels"] = [0] * len(batch.y)
            (folder / file).write_bytes(pickle.dumps(entry))
            batches.append(batch)
            listed.append([file, md5(folder / file)])
        monkeypatch.setattr(cls, attribute, listed)
        parts.append(Written(np.concatenate([b.x for b in batches]),
                             np.concatenate([b.y for b in batches])))
    meta = folder / cls.meta["filename"]
    meta.write_bytes(pickle.dumps({cls.meta["key"]: [str(i) for i in range(classes)]}))
    monkeypatch.setattr(cls, "meta", cls.meta | {"md5": md5(meta)})
    return tuple(parts)


def svhn(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Written, Written]:
    """SVHN with 3 images a class; in the files the digit 0 is called 10."""
    listed, parts = dict(torchvision.datasets.SVHN.split_list), []
    for seed, part in enumerate(("train", "test")):
        images = written(3, 10, (3, 32, 32), seed)
        path = root / listed[part][1]
        scipy.io.savemat(path, {"X": images.x.transpose(2, 3, 1, 0),
                                "y": np.where(images.y == 0, 10, images.y).astype(np.uint8)[:, None]
                                })
        listed[part] = [listed[part][0], listed[part][1], md5(path)]
        parts.append(images)
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", listed)
    return tuple(parts)


def mnist(root: Path, name: str = "MNIST", suffix: str = "") -> tuple[Written, Written]:
    """MNIST, or a set of its form, with 3 images per class; suffix: ".gz" for gzipped files."""
    raw = root / name / "raw"
    raw.mkdir(parents=True)
    parts = []
    for seed, part in enumerate(("train", "t10k")):
        images = written(3, 10, (1, 28, 28), seed)
        for kind, values, lengths in (("images-idx3", images.x[:, 0], images.x[:, 0].shape),
                                      ("labels-idx1", images.y, images.y.shape)):
            header = bytes((0, 0, 8, len(lengths)))
            header += b"".join(n.to_bytes(4, "big") for n in lengths)
            content = header + values.astype(np.uint8).tobytes()
            (raw / f"{part}-{kind}-ubyte{suffix}").write_bytes(
                gzip.compress(content) if suffix else content)
        parts.append(images)
    return tuple(parts)


def picture(pixels: np.ndarray) -> Image.Image:
    """(3, H, W) as a colour image."""
    return Image.fromarray(pixels.transpose(1, 2, 0))


def gtsrb(root: Path, per_class: int = 2, shape: tuple[int, int, int] = (3, 32, 32)
          ) -> tuple[Written, Written]:
    """GTSRB with all 43 classes, training folders with their own tables."""
    folder = root / "gtsrb"
    train, test = (written(per_class, 43, shape, seed) for seed in (0, 1))
    header = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\r\n"
    row = "{};32;32;5;5;27;27;{}\r\n"
    for label in range(43):
        place = folder / "GTSRB" / "Training" / f"{label:05d}"
        place.mkdir(parents=True)
        table = header
        for number, pixels in enumerate(train.x[train.y == label]):
            picture(pixels).save(place / f"00000_{number:05d}.ppm")
            table += row.format(f"00000_{number:05d}.ppm", label)
        (place / f"GT-{label:05d}.csv").write_text(table, newline="")
    place = folder / "GTSRB" / "Final_Test" / "Images"
    place.mkdir(parents=True)
    table = header
    for number, (pixels, label) in enumerate(zip(test.x, test.y)):
        picture(pixels).save(place / f"{number:05d}.ppm")
        table += row.format(f"{number:05d}.ppm", label)
    (folder / "GT-final_test.csv").write_text(table, newline="")
    return train, test


def shades(count: int, classes: int, size: int, first: int) -> Written:
    """Plain grey images, each of its own shade: what JPEG keeps exactly."""
    y = np.arange(count * classes) % classes
    values = (first + 4 * np.arange(len(y))).astype(np.uint8)
    return Written(np.broadcast_to(values[:, None, None, None], (len(y), 3, size, size)).copy(), y)


def tiny_imagenet(root: Path) -> tuple[Written, Written]:
    """Tiny-ImageNet with three classes, whose wnids.txt is not sorted."""
    folder = root / "tiny-imagenet-200"
    train, test = shades(6, 3, 64, 0), shades(2, 3, 64, 100)
    for label, wnid in enumerate(WNIDS):
        place = folder / "train" / wnid / "images"
        place.mkdir(parents=True)
        for number, pixels in enumerate(train.x[train.y == label]):
            picture(pixels).save(place / f"{wnid}_{number}.JPEG", quality=95)
        (place.parent / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t0\t62\t62\n")
    place = folder / "val" / "images"
    place.mkdir(parents=True)
    lines = ""
    for number, (pixels, label) in enumerate(zip(test.x, test.y)):
        picture(pixels).save(place / f"val_{number}.JPEG", quality=95)
        lines += f"val_{number}.JPEG\t{WNIDS[label]}\t0\t32\t44\t62\n"
    (folder / "val" / "val_annotations.txt").write_text(lines)
    (folder / "wnids.txt").write_text("\n".join(WNIDS))
    (folder / "words.txt").write_text("n00001740\tentity\nn01443537\tgoldfish, Carassius auratus\n"
                                      "n02124075\tEgyptian cat\nn04067472\treel\n")
    return train, test


def class_folders(place: Path, images: Written, names: tuple[str, ...], ending: str = "png"
                  ) -> None:
    """Images in one folder a class."""
    for label, name in enumerate(names):
        (place / name).mkdir(parents=True)
        for number, pixels in enumerate(images.x[images.y == label]):
            picture(pixels).save(place / name / f"{place.name}_{number}.{ending}")
