"""An unpickler that builds tensors, numbers, texts and containers, and nothing else.

A pickle names functions and classes to be called while it is read. Here only those in ALLOWED are
called; every other one is replaced by `Unknown`, which takes whatever it is given and does nothing.
So a checkpoint that holds, beside a model's tensors, objects of classes that are not installed (or
were put there to run on reading) can be read for its tensors.

`torch.load(..., pickle_module=Pickles())` uses its `Unpickler`, `load` and `loads`.
"""

import collections
import io
import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

import torch

UnpicklingError = pickle.UnpicklingError


class Allowed:
    """A function that a pickle may call, and do nothing else with.

    Handed out itself, it could be given attributes by the pickle (BUILD sets them), which torch's
    loader then trusts.
    """

    __slots__ = ("_build",)
    _build: Callable[..., Any]

    def __init__(self, build: Callable[..., Any]) -> None:
        object.__setattr__(self, "_build", build)

    def __call__(self, *arguments: Any) -> Any:
        return self._build(*arguments)

    def __setattr__(self, name: str, value: Any) -> None:
        raise UnpicklingError("this pickle changes what it may only call")

    def __setstate__(self, state: Any) -> None:
        raise UnpicklingError("this pickle changes what it may only call")


# torch.load itself knows the storages that tensors are built from.
ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): Allowed(collections.OrderedDict),
    ("torch._utils", "_rebuild_tensor_v2"): Allowed(torch._utils._rebuild_tensor_v2),
    ("torch._utils", "_rebuild_parameter"): Allowed(torch._utils._rebuild_parameter),
    ("torch", "Size"): Allowed(torch.Size),
} | {("torch", name): getattr(torch, name) for name in (
    "float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8",
    "bool")}


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
    """Builds what ALLOWED names; `unknown` lists the other names that occurred, each once."""

    def __init__(self, file: BinaryIO, *, unknown: dict[str, None] | None = None,
                 **options: Any) -> None:
        super().__init__(file, **options)
        self.unknown: dict[str, None] = {} if unknown is None else unknown

    def find_class(self, module: str, name: str) -> Any:
        """What the pickle may call by that name."""
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        self.unknown[f"{module}.{name}"] = None
        return type("Unknown", (Unknown,), {"named": f"{module}.{name}"})


class Pickles:
    """What torch.load takes for the module `pickle`, for one file, which may hold several pickles.

    unknown: the names in them that ALLOWED lacks, in the order in which they occurred.
    """

    __name__ = "pickle"
    UnpicklingError = UnpicklingError

    def __init__(self) -> None:
        self.unknown: dict[str, None] = {}
        unknown = self.unknown

        class Noted(Unpickler):
            """Notes in `unknown`; a class, as torch.load derives its own from it."""

            def __init__(self, file: BinaryIO, **options: Any) -> None:
                super().__init__(file, unknown=unknown, **options)

        self.Unpickler = Noted

    def load(self, file: BinaryIO, **options: Any) -> Any:
        """The object pickled in `file`."""
        return self.Unpickler(file, **options).load()

    def loads(self, content: bytes, **options: Any) -> Any:
        """The object pickled in `content`."""
        return self.load(io.BytesIO(content), **options)
