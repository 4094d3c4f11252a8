"""Files that are what they say, with tensors that are no weights of a model."""

import warnings
from collections.abc import Iterator
from dataclasses import replace

import torch
from safetensors.torch import save_file

from ngf_core.config import ImportConfig
from ngf_core.errors import NGFError
from ngf_core.imports.model import NETWORK, received
from ngf_core.imports.networks.network import Hints
from ngf_core.imports.recognise import recognise
from tests.campaigns.hostile.case import TAKEN, Case, Give
from tests.campaigns.hostile.model_files import Write, cases
from tests.support.foreign_networks import preact_resnet18

FINITE, PLAIN = "are not finite", "and not plain numbers"

# Those that are compared with all of torchvision's networks, which takes a while.
LAST = ("10**18 classes", "weights without axes", "names of no network", "10,000 blocks")


def _numbers() -> Iterator[tuple[str, Write, str]]:
    good = torch.ones(2)

    def saved(odd: object, **more: object) -> Write:
        return lambda path: torch.save({"a": odd, "b": good} | more, path)

    for kind in (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e4m3fn,
                 torch.float8_e5m2):
        for value in (float("nan"), float("inf"), float("-inf")):
            if kind == torch.float8_e4m3fn and value != value or kind != torch.float8_e4m3fn:
                odd = torch.tensor([1.0, value]).to(kind)
                yield f"{value} in {kind}", saved(odd), f"{FINITE}|cannot be read|is {kind}"
    yield "nan in safetensors", lambda path: save_file(
        {"a": torch.tensor([float("nan")]), "b": good}, path), FINITE
    yield "complex numbers", saved(torch.ones(2, dtype=torch.complex64)), PLAIN
    yield "sparse", saved(torch.eye(3).to_sparse()), "whose code is not run"
    yield "sparse rows", saved(torch.eye(3).to_sparse_csr()), "whose code is not run"
    yield "quantised", saved(torch.quantize_per_tensor(good, 0.1, 0, torch.qint8)), (
        f"{PLAIN}|cannot be read|holds no state dict")
    yield "without values", saved(torch.empty(3, device="meta")), (
        f"{PLAIN}|cannot be read|holds no state dict")
    yield "nested", saved(torch.nested.nested_tensor([good, good])), (
        f"{PLAIN}|cannot be read|holds no state dict")
    yield "conjugated", saved(torch.ones(2, dtype=torch.complex64).conj()), PLAIN
    yield "shown ten gigabytes wide", saved(torch.empty(1).expand(2_500_000_000)), (
        "could not be read within")
    yield "shown 10**18 wide", saved(torch.empty(1).expand(10**9, 10**9)), (
        "could not be read within")
    yield "no numbers at all", saved(torch.empty(0)), TAKEN
    yield "no numbers, 10**15 wide", saved(torch.empty(0, 10**15)), TAKEN
    yield "of 25 axes", saved(torch.ones([1] * 25)), TAKEN
    yield "transposed", saved(torch.ones(2, 3).T), TAKEN
    yield "that share memory", lambda path: torch.save({"a": good, "b": good[:1]}, path), TAKEN
    yield "that need gradients", saved(torch.nn.Parameter(good)), TAKEN
    yield "one tensor only", lambda path: torch.save({"a": good}, path), "holds no state dict"
    yield "a tensor alone", lambda path: torch.save(good, path), "a Tensor and not a table"
    yield "under numbers", lambda path: torch.save({1: good, 2: good}, path), "holds no state dict"
    yield "under tuples", lambda path: torch.save({(1, 2): good, (3,): good}, path), (
        "holds no state dict")
    yield "nothing", lambda path: torch.save(None, path), "a NoneType and not"
    yield "a text", lambda path: torch.save("weights", path), "a str and not"
    yield "a list of tensors", lambda path: torch.save([good, good], path), "a list and not"
    yield "a table of nothing", lambda path: torch.save({}, path), "holds no state dict: nothing"
    yield "keys that are Markdown", lambda path: torch.save(
        {"![x](http://e.x)": 1, "\x1b[2J": 2}, path), "holds no state dict"
    yield "what it says of itself is a number of 10,000 digits", lambda path: torch.save(
        {"model": {"a": good, "b": good}, "num_classes": 10**10_000, "model_name": "x\n" * 9},
        path), TAKEN
    yield "a thousand state dicts", lambda path: torch.save(
        {f"k{i}": {"a": good, "b": good} for i in range(1000)}, path), TAKEN
    for content, name in ((b"", "empty"), (b"\0" * 100, "NULs"), (b"\x80", "one byte"),
                          (b"GIF89a", "a picture"), (b"%PDF-1.7", "a PDF"), (b"#!/bin/sh\n", "a sc"
                          "ript"), (b"\x7fELF" + bytes(60), "a program"), (b"PK\x05\x06"
                          + bytes(18), "an empty zip"), (b"\x93NUMPY\x01\0v\0{", "an array"),
                          (b"\x89HDF\r\n\x1a\n", "HDF5"), (b"ustar" * 200, "nearly a tar")):
        yield f"a file that is {name}", lambda path, content=content: path.write_bytes(content), (
            "is empty|neither safetensors nor|cannot be read|is a tar")


def _networks() -> list[Case]:
    """Right names with the wrong shapes, and models that fit no data set."""
    state = preact_resnet18(width=4)
    shapes = {name: tuple(value.shape) for name, value in state.items()}

    def looked(**changed: tuple[int, ...]) -> Give:
        wrong = shapes | {name.replace("__", "."): shape for name, shape in changed.items()}
        return _refusal(lambda: recognise(wrong, Hints()))

    def taken(config: ImportConfig, image: tuple[int, int, int], classes: int) -> Give:
        named = {NETWORK + name: shape for name, shape in shapes.items()}
        return _refusal(lambda: received(config, named, image, classes))

    base = ImportConfig(file="m.pt", dataset="signs", normalisation="imagenet")
    given = {
        "0 classes": (looked(linear__weight=(0, 32), linear__bias=(0,)), "answers with no class"),
        "a million classes": (looked(linear__weight=(10**6, 32), linear__bias=(10**6,)), TAKEN),
        "10**18 classes": (looked(linear__weight=(10**18, 32), linear__bias=(10**18,)), "file:"),
        "weights and bias of other counts": (looked(linear__bias=(3,)), "linear.bias is 3"),
        "a layer of another width": (looked(layer1__0__conv2__weight=(4, 9, 3, 3)),
                                     "layer1.0.conv2.weight is 4x9x3x3"),
        "weights without axes": (looked(conv1__weight=()), "no network|file:"),
        "weights of 0 channels": (looked(conv1__weight=(4, 0, 3, 3)), f"{TAKEN}|file:"),
        "images of 10**9 channels": (looked(conv1__weight=(4, 10**9, 3, 3)), f"{TAKEN}|file:"),
        "a kernel of 10**6 pixels": (looked(conv1__weight=(4, 3, 10**6, 10**6)),
                                     "conv1.weight is 4x3x1000000x1000000"),
        "a block too few": (_refusal(lambda: recognise({
            name: shape for name, shape in shapes.items() if "layer2.1" not in name})), TAKEN),
        "a tensor too many": (looked(linear__extra=(1,)), "linear.extra is 1"),
        "names of no network": (_refusal(lambda: recognise({"x.weight": (2,), "y": (3,)})),
                                "no network that is known"),
        "10,000 blocks": (_refusal(lambda: recognise(shapes | {
            f"layer1.{i}.conv1.weight": (4, 4, 3, 3) for i in range(2, 3000)})), "file:"),
        "another data set's classes": (taken(base, (3, 32, 32), 43), "has 43 classes, and the"),
        "another data set's channels": (taken(base, (1, 32, 32), 10), "has 1 channels, and the"),
    }
    for text in ("", "x", "1,2", "1/0", "0/-1", "nan/1", "inf/1", "1/inf", "1,2,3,4/1,2,3,4",
                 "0.5/0.5/0.5", "1e999/1", "../../etc", "0.5,0.5,0.5/0.2,0.2", "٣/٣" * 9):
        given[f"normalised by {ascii(text)}"] = (
            taken(replace(base, normalisation=text), (3, 32, 32), 10), "normalisation: ")
    return [Case("tensors", name, give, says, quick=name not in LAST)
            for name, (give, says) in given.items()]


def _refusal(act: object) -> Give:
    def give(folder: object) -> str:
        try:
            act()  # type: ignore[operator]
        except NGFError as error:
            return str(error)
        return TAKEN
    return give


def weights() -> list[Case]:
    """Every file of tensors, and every network."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of kinds of tensors that it gives up
        files = {name: (write, says) for name, write, says in _numbers()}
    return [*cases("tensors", files, ("shown ten gigabytes wide", "shown 10**18 wide")),
            *_networks()]
