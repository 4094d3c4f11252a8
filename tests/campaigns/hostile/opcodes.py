"""Pickles written opcode by opcode, and the containers that torch.load takes them in."""

import io
import pickle
import struct
import zipfile
from pathlib import Path

import torch

STOP, MARK, REDUCE, BUILD, EMPTY = b".", b"(", b"R", b"b", b"}"


def text(value: str) -> bytes:
    """BINUNICODE."""
    content = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(content)) + content


def called(module: str, name: str) -> bytes:
    """GLOBAL."""
    return f"c{module}\n{name}\n".encode()


def stacked(module: str, name: str) -> bytes:
    """STACK_GLOBAL, of protocol 4."""
    return text(module) + text(name) + b"\x93"


def call(function: bytes, *arguments: bytes) -> bytes:
    """REDUCE of a function on arguments."""
    return function + MARK + b"".join(arguments) + b"t" + REDUCE


def protocol(number: int, body: bytes) -> bytes:
    """A whole pickle of that protocol."""
    return b"\x80" + bytes([number]) + body + STOP


def beside(payload: bytes) -> bytes:
    """A table with two small tensors, and the payload under another key."""
    return protocol(2, EMPTY + MARK + text("a.weight") + tensor("0") + text("b.weight")
                    + tensor("0") + text("more") + payload + b"u")


def tensor(key: str, numel: int = 4, size: tuple[int, ...] = (4,), stride: tuple[int, ...] = (1,),
           offset: int = 0, kind: str = "FloatStorage", location: str = "cpu") -> bytes:
    """_rebuild_tensor_v2 on a storage of the container."""
    def whole(value: int) -> bytes:
        return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)

    def row(values: tuple[int, ...]) -> bytes:
        return MARK + b"".join(map(whole, values)) + b"t"

    storage = (MARK + text("storage") + called("torch", kind) + text(key) + text(location)
               + whole(numel) + b"tQ")
    return call(called("torch._utils", "_rebuild_tensor_v2"), storage, whole(offset), row(size),
                row(stride), b"\x89", call(called("collections", "OrderedDict")))


def zipped(content: bytes, path: Path, records: dict[str, bytes] | None = None,
           method: int = zipfile.ZIP_STORED) -> None:
    """What torch.save writes since 1.6: a zip with data.pkl and a file per storage."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/byteorder", b"little")
        for name, record in ({"archive/data/0": bytes(16)} | (records or {})).items():
            archive.writestr(name, record)


def legacy(content: bytes, path: Path, keys: bytes = b"") -> None:
    """What torch.save wrote before: pickles one after the other."""
    file = io.BytesIO()
    for part in (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION,
                 {"protocol_version": 1001, "little_endian": True,
                  "type_sizes": {"short": 2, "int": 4, "long": 4}}):
        pickle.dump(part, file, protocol=2)
    file.write(content)
    file.write(keys or pickle.dumps([], protocol=2))
    path.write_bytes(file.getvalue())
