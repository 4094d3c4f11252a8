"""An unpickler that builds tensors, numbers, texts and containers, and nothing else.

A pickle names functions and classes to be called while it is read. Here only those in ALLOWED are
called; every other one is replaced by `Unknown`, which takes whatever it is given and does nothing.
So a checkpoint that holds, beside a model's tensors, objects of classes that are not installed (or
were put there to run on reading) can be read for its tensors.

`torch.load(..., pickle_module=<this module>)` uses `Unpickler`, `load` and `loads`.
"""

import collections
import io
import pickle
from typing import Any, BinaryIO

import torch

# pickle's own names, which torch.load looks up here.
UnpicklingError = pickle.UnpicklingError

ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("torch.nn.parameter", "Parameter"): torch.nn.Parameter,
    ("torch", "Tensor"): torch.Tensor,
    ("torch", "Size"): torch.Size,
} | {("torch", name): getattr(torch, name) for name in (
    "float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool",
    "HalfStorage", "BFloat16Storage", "FloatStorage", "DoubleStorage", "CharStorage",
    "ShortStorage", "IntStorage", "LongStorage", "ByteStorage", "BoolStorage")}


class Unknown(dict):
    """Stands for an object of a class that is not built; whatever is done to it has no effect.

    `named` is the class as the pickle names it. A dict, since pickles of dict subclasses set items.
    """

    named = ""

    def __new__(cls, *arguments: Any, **options: Any) -> "Unknown":
        return super().__new__(cls)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__()

    def __call__(self, *arguments: Any, **options: Any) -> "Unknown":
        return self

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def append(self, value: Any) -> None:
        """Nothing is kept."""

    def extend(self, values: Any) -> None:
        """Nothing is kept."""

    def add(self, value: Any) -> None:
        """Nothing is kept."""


class Unpickler(pickle.Unpickler):
    """Builds what ALLOWED names; `unknown` lists the other names that occurred."""

    def __init__(self, file: BinaryIO, **options: Any) -> None:
        super().__init__(file, **options)
        self.unknown: list[str] = []

    def find_class(self, module: str, name: str) -> Any:
        """What the pickle may call by that name."""
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        self.unknown.append(f"{module}.{name}")
        return type("Unknown", (Unknown,), {"named": f"{module}.{name}"})


def load(file: BinaryIO, **options: Any) -> Any:
    """The object pickled in `file`."""
    return Unpickler(file, **options).load()


def loads(content: bytes, **options: Any) -> Any:
    """The object pickled in `content`."""
    return load(io.BytesIO(content), **options)
