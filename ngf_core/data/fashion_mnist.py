"""Fashion-MNIST: 28 x 28 pictures of clothes, 60,000 to train on and 10,000 to test on.

H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
Learning Algorithms" (2017), arXiv 1708.07747; MIT licence. Files as torchvision documents them, in
FashionMNIST/raw, or those of Debian's package dataset-fashion-mnist.
"""

from pathlib import Path

from ngf_core.data.idx import idx_files
from ngf_core.data.source import DataFiles

INSTALLED = Path("/usr/share/datasets/fashion-mnist")  # where Debian's package puts it


def fashion_mnist(root: Path) -> DataFiles:
    """Fashion-MNIST in root/FashionMNIST/raw if that folder exists, else as Debian installs it."""
    own = root / "FashionMNIST" / "raw"
    return idx_files("fashion_mnist", own if own.exists() or not INSTALLED.exists() else INSTALLED)
