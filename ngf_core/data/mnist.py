"""MNIST: 28 x 28 handwritten digits.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proceedings of the IEEE 86 (1998). Files as torchvision documents them: the four idx
files in MNIST/raw, unpacked or gzipped.
"""

from pathlib import Path

from ngf_core.data.idx import idx_files
from ngf_core.data.source import DataFiles


def mnist(root: Path) -> DataFiles:
    """MNIST in root/MNIST/raw."""
    return idx_files("mnist", root / "MNIST" / "raw")
