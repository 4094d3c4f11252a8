"""torchvision can be imported beside this torch; the guard stays out of the way where it must."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
GUARDED = "from ngf_core.data.torchvision_guard import LIBRARY, torchvision\n"


def said(code: str, *paths: Path) -> list[str]:
    """The lines that `code` prints in a fresh interpreter that looks in `paths` first."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (*paths, ROOT)))}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_models_and_transforms_work():
    assert said(GUARDED + """
import torch
from torchvision.transforms.v2 import functional
with torch.device("meta"):
    print(*torchvision.models.resnet18(weights=None)(torch.zeros(1, 3, 64, 64)).shape)
print(*functional.resize(torch.zeros(3, 8, 8), [4, 4]).shape)
""") == ["1 1000", "3 4 4"]


def test_an_operator_that_is_only_declared_raises():
    code = GUARDED + """
import torch
boxes = torch.tensor([[0.0, 0, 1, 1]])
try:
    print(LIBRARY is None, len(torchvision.ops.nms(boxes, torch.ones(1), 0.5)))
except (RuntimeError, NotImplementedError) as error:
    print(LIBRARY is None, type(error).__name__)
"""
    # Beside a torch that the wheel was made for there is nothing to declare and the operator works.
    assert said(code)[0] in ("False RuntimeError", "False NotImplementedError", "True 1")


@pytest.fixture
def stand_in(tmp_path) -> Path:
    """A folder with a torchvision whose compiled part is an empty file, which does not load."""
    (tmp_path / "torchvision").mkdir()
    for name in ("__init__.py", "_C.so"):
        (tmp_path / "torchvision" / name).touch()
    return tmp_path


DECLARED = """
import ngf_core.data.torchvision_guard as guard
print(guard.LIBRARY is not None, hasattr(torch.ops.torchvision, "qnms"))
"""


def test_operators_are_declared_where_the_compiled_ones_do_not_load(stand_in):
    cpu = "import torch\ntorch.version.cuda = torch.version.hip = None"
    assert said(cpu + DECLARED, stand_in) == ["True True"]


@pytest.mark.parametrize("before", [
    "torch.version.cuda = '13.0'", "torch.version.hip = '7.0'", "import torchvision",
    "torch.ops.load_library = lambda path: None",
    "library = torch.library.Library('torchvision', 'FRAGMENT')\n"
    "library.define('nms(Tensor a, Tensor b, float c) -> Tensor')"],
    ids=["CUDA", "HIP", "imported already", "they load", "they are there"])
def test_nothing_is_declared_where_the_real_operators_are_or_may_come(stand_in, before):
    code = f"import torch\ntorch.version.cuda = torch.version.hip = None\n{before}{DECLARED}"
    assert said(code, stand_in) == ["False False"]


def test_without_torchvision_the_import_error_is_its_own():
    assert said("""
import importlib.util, sys
from importlib.machinery import PathFinder
real = PathFinder.find_spec
PathFinder.find_spec = classmethod(
    lambda cls, name, *args: None if name == "torchvision" else real(name, *args))
try:
    import ngf_core.data.torchvision_guard
except ModuleNotFoundError as error:
    print(error)
""") == ["No module named 'torchvision'"]
