"""torchvision with any torch: write `from ngf_core.data.torchvision_guard import torchvision`.

torchvision's wheel links its compiled operators against CUDA. Beside a CPU build of torch they do
not load, and a plain `import torchvision` then fails ("operator torchvision::nms does not exist"),
although models, transforms and datasets need none of them. Declaring the two missing operators
first, without code, makes the import work; calling one (`ops.nms`, detection models) still raises.

Declaring them where the compiled ones load afterwards would abort the process, so it is done only
where these have been tried and did not load. This module does it on import, so that it also works
in spawned data loader workers: they import it with the first class of ours they receive.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import torch

OPERATORS = ("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
             "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def _declared() -> torch.library.Library | None:
    """The library that holds the declarations, None where torchvision needs no help."""
    if "torchvision" in sys.modules or torch.version.cuda or torch.version.hip:
        return None
    found = find_spec("torchvision")
    if found is None or found.origin is None:
        return None
    for compiled in Path(found.origin).parent.glob("_C.*"):
        try:
            torch.ops.load_library(compiled)
            return None
        except OSError:
            pass
    if hasattr(torch.ops.torchvision, "nms"):
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in OPERATORS:
        library.define(operator)
    return library


# Kept: the operators vanish with the object.
LIBRARY = _declared()

import torchvision  # noqa: E402

__all__ = ["torchvision"]
