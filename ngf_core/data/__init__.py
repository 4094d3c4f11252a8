"""Data sets. A new one is a module here with one function, and an entry below.

An embedded set's function `load() -> (images uint8 (n, C, H, W), labels int64 (n,))` returns all
images in a fixed order that mixes the classes; `ngf_core.data.dataset` splits them.

A set that the user has on disk keeps its official split. Its function `(root: Path) -> DataFiles`
(`ngf_core.data.source`) names the files it is read from and how, and reads none of them yet.
"""

from dataclasses import dataclass

from ngf_core.data.class_names import CIFAR10, CIFAR100, DIGITS, FASHION, GTSRB
from ngf_core.registry import Entry


@dataclass(frozen=True)
class DatasetEntry(Entry):
    """What is known of a data set without its files.

    `class_names` are in the order of the labels; they are empty where only the files have them,
    and `Dataset.class_names` has them then. `classes` is their number, 0 where that is unknown.
    `train_images` is what the split leaves for training, a plausible number where it is unknown.
    `size` is the side of an image in pixels unless another is requested, `download_bytes` what
    `data download` fetches, 0 where it fetches nothing.
    """

    class_names: tuple[str, ...]
    train_images: int
    test_images: int = 1000
    size: int = 32
    channels: int = 3
    embedded: bool = True
    download_bytes: int = 0
    classes: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", self.classes or len(self.class_names))

    def training_images(self, limit: int = 0) -> int:
        """About how many images are trained on with at most `limit` of each class (0: all)."""
        if not limit or not self.classes:
            return self.train_images
        return min(self.train_images, round(0.95 * limit * self.classes))


DATASETS = {
    "signs": DatasetEntry("Signs", "ngf_core.data.signs:load", (
        "stop", "yield", "no entry", "speed limit 30", "speed limit 80", "priority road",
        "keep right", "keep left", "roundabout", "general danger"), 4750),
    "digits": DatasetEntry("Digits", "ngf_core.data.digits:load", DIGITS, 3800, channels=1),
    "cifar10": DatasetEntry("CIFAR-10", "ngf_core.data.cifar:cifar10", CIFAR10, 47500, 10000,
                            embedded=False, download_bytes=170_498_071),
    "cifar100": DatasetEntry("CIFAR-100", "ngf_core.data.cifar:cifar100", CIFAR100, 47500, 10000,
                             embedded=False, download_bytes=169_001_437),
    "gtsrb": DatasetEntry("GTSRB", "ngf_core.data.gtsrb:gtsrb", GTSRB, 25308, 12630,
                          embedded=False, download_bytes=276_568_468),
    "tiny_imagenet": DatasetEntry("Tiny-ImageNet", "ngf_core.data.tiny_imagenet:tiny_imagenet", (),
                                  95000, 10000, size=64, embedded=False, classes=200,
                                  download_bytes=248_100_043),
    "imagenet": DatasetEntry("ImageNet", "ngf_core.data.imagenet:imagenet", (), 1_217_109, 50000,
                             size=224, embedded=False, classes=1000),
    "mnist": DatasetEntry("MNIST", "ngf_core.data.mnist:mnist", DIGITS, 57000, 10000, size=28,
                          channels=1, embedded=False, download_bytes=11_594_722),
    "fashion_mnist": DatasetEntry("Fashion-MNIST", "ngf_core.data.fashion_mnist:fashion_mnist",
                                  FASHION, 57000, 10000, size=28, channels=1, embedded=False,
                                  download_bytes=30_878_645),
    "svhn": DatasetEntry("SVHN", "ngf_core.data.svhn:svhn", DIGITS, 69594, 26032,
                         embedded=False, download_bytes=246_316_178),
    "folder": DatasetEntry("Folder of images", "ngf_core.data.folder:folder", (), 10000, 2000,
                           size=64, embedded=False),
}
AUGMENTATIONS = ("none", "crop", "strong")
