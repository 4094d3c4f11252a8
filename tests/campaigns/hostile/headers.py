"""safetensors whose header lies about what follows it."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.campaigns.hostile.case import TAKEN, Case
from tests.campaigns.hostile.model_files import Write, cases

DAMAGED, NONE = "damaged safetensors", "neither safetensors nor"
GOOD = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
OTHER = {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}


def file(header: Any, data: bytes = bytes(16), length: int | None = None) -> Write:
    """The bytes: the header's length, the header (JSON, or bytes as they are), the data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    start = struct.pack("<Q", len(text) if length is None else length)
    return lambda path: path.write_bytes(start + text + data)


def entry(**other: Any) -> dict[str, Any]:
    """A good second tensor beside one that is not."""
    return {"a": GOOD | other, "b": OTHER}


def _lies() -> Iterator[tuple[str, Write, str]]:
    yield "nothing wrong", file({"a": GOOD, "b": OTHER}), TAKEN
    for name, other in {
            "a shape of 10**12 numbers": {"shape": [10**6, 10**6]},
            "a shape that overflows": {"shape": [2**63, 2**63]},
            "a negative size": {"shape": [-2]}, "a size that is no number": {"shape": ["2"]},
            "half a number": {"shape": [2.5]}, "no shape": {"shape": None},
            "a shape of a million axes": {"shape": [1] * 10**6 + [2]},
            "a type that there is not": {"dtype": "F33"}, "a type that is a number": {"dtype": 32},
            "an empty type": {"dtype": ""}, "a type of an object": {"dtype": {"O": 1}},
            "offsets beyond the file": {"data_offsets": [0, 10**12]},
            "offsets that run backwards": {"data_offsets": [8, 0]},
            "negative offsets": {"data_offsets": [-8, 0]},
            "offsets that overflow": {"data_offsets": [2**64 - 8, 2**64]},
            "three offsets": {"data_offsets": [0, 4, 8]}, "no offsets": {"data_offsets": []},
            "offsets of another size than the shape": {"data_offsets": [0, 4]},
            "offsets that overlap": {"data_offsets": [8, 16]},
            "an entry more": {"code": "import os"}}.items():
        yield name, file(entry(**other)), f"{DAMAGED}|{TAKEN}" if name == "an entry more" else (
            f"{DAMAGED}|could not be read within")
    yield "a hole between tensors", file({"a": GOOD, "b": OTHER | {"data_offsets": [12, 20]}},
                                         bytes(20)), DAMAGED
    yield "data after the last tensor", file({"a": GOOD, "b": OTHER}, bytes(100)), DAMAGED
    yield "data missing", file({"a": GOOD, "b": OTHER}, bytes(4)), DAMAGED
    yield "an entry that is a list", file({"a": [1, 2], "b": OTHER}), DAMAGED
    yield "an entry that is null", file({"a": None}), DAMAGED
    yield "no tensors", file({}), "holds no state dict|damaged safetensors"
    yield "metadata alone", file({"__metadata__": {"format": "pt"}}, b""), "holds no state dict"
    yield "metadata that is no text", file({"__metadata__": {"a": 1}, "a": GOOD, "b": OTHER}), (
        DAMAGED)
    yield "metadata that is a list", file({"__metadata__": [1], "a": GOOD, "b": OTHER}), DAMAGED
    yield "a hundred thousand lines of metadata", file(
        {"__metadata__": {str(i): "x" * 50 for i in range(100_000)}, "a": GOOD, "b": OTHER}), TAKEN
    yield "one name twice", file(b'{"a":' + json.dumps(GOOD).encode() + b',"a":'
                                 + json.dumps(OTHER).encode() + b"}"), DAMAGED
    yield "a header that is a list", file(b"[1]"), NONE
    yield "a header that is no JSON", file(b'{"a": '), DAMAGED
    yield "a header that is not UTF-8", file(b'{"\xff\xfe": 1}'), DAMAGED
    yield "a header of NULs", file(b"{" + b"\0" * 40), DAMAGED
    yield "a header nested 100,000 deep", file(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), DAMAGED
    yield "a header of zero bytes", file(b"", length=0), f"{NONE}|{DAMAGED}"
    yield "a header longer than the file", file({"a": GOOD}, length=10**9), DAMAGED
    yield "a header of 2**64 - 1 bytes", file({"a": GOOD}, length=2**64 - 1), DAMAGED
    yield "a header of 100 MB", file(b"{" + b" " * 10**8 + b"}"), f"{DAMAGED}|holds no state dict"
    yield "a header of 101 MB", file(b"{" + b" " * (101 * 10**6) + b"}"), (
        f"{DAMAGED}|holds no state dict")
    yield "only its first nine bytes", lambda path: path.write_bytes(
        struct.pack("<Q", 10) + b"{"), DAMAGED
    yield "a gigabyte that is not there", _sparse, "at most|damaged"


def _names() -> Iterator[tuple[str, Write, str]]:
    """Names of tensors that a page, a terminal or a path would read as something else."""
    odd = "is no name of a layer"
    for name in ("<script>alert(1)</script>", "![x](http://evil.example/x.png)", "[x](http://e.x)",
                 "../../etc/passwd", "a\nb", "a\rb", "\x1b[2Jcleared", "a\u202eb", "a b", "",
                 "x" * 1000, "$\\alpha$", "`code`", "a\0b", "%s%n", "{0}", ":red[x]", "'; --"):
        wrong = odd if name != "../../etc/passwd" else f"{TAKEN}"
        yield f"a tensor called {ascii(name[:40])}", file({name: GOOD, f"{name}2": OTHER}), (
            f"{wrong}|holds no state dict" if not name else wrong)
    several = {f"t{i}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
               for i in range(20_001)}
    yield "20,001 tensors", file(several, b""), "20,001 tensors, and at most 20,000"


def _sparse(path: Path) -> None:
    with open(path, "wb") as made:
        made.write(struct.pack("<Q", 2) + b"{}")
        made.truncate(10**9)


def headers() -> list[Case]:
    """Every header."""
    return cases("safetensors", {name: (write, says) for part in (_lies, _names)
                                 for name, write, says in part()},
                 ("a gigabyte that is not there", "a shape of a million axes"))
