"""Zips of images: bombs, names that lead elsewhere, links, damage."""

import io
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from ngf_core.errors import NGFError
from ngf_core.imports.unzipped import unzip_here, unzipped
from tests.campaigns.hostile.case import TAKEN, Case, Give
from tests.campaigns.hostile.marks import watched

Write = Callable[[Path], object]
DAMAGED, OUT = "zip: cannot be unpacked", "leads out of the archive"


def _png() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "png")
    return content.getvalue()


def _packed(*names: str | zipfile.ZipInfo, content: bytes | None = None,
            method: int = zipfile.ZIP_STORED) -> Write:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", method) as archive:
            for name in names:
                archive.writestr(name, _png() if content is None else content)
    return write


def _changed(change: Callable[[bytearray], bytes | bytearray], *names: str) -> Write:
    """A good zip, changed byte by byte."""
    def write(path: Path) -> None:
        _packed(*(names or ("cat/a.png", "dog/b.png")))(path)
        path.write_bytes(change(bytearray(path.read_bytes())))
    return write


def _at(signature: bytes, offset: int, value: bytes) -> Callable[[bytearray], bytearray]:
    """Overwrite bytes of the last record that begins with a signature."""
    def change(content: bytearray) -> bytearray:
        place = content.rindex(signature) + offset
        content[place:place + len(value)] = value
        return content
    return change


def _of_kind(mode: int, name: str = "cat/a.png") -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (mode | 0o777) << 16
    return info


def _names() -> Iterator[tuple[str, Write, str]]:
    for name in ("../a.png", "../../../etc/cron.d/a.png", "cat/../../a.png", "/a.png",
                 "/etc/passwd.png", "C:/a.png", "C:\\a.png", "..\\..\\a.png", "\\\\host\\share\\a"
                 ".png", "cat:stream/a.png", "cat/..", "//a.png"):
        yield f"named {name}", _packed(name, "dog/b.png"), OUT
    for name in ("cat\n/a.png", "<script>/a.png", "![x](http)/a.png", "$(id)/a.p"
                 "ng", "`id`/a.png", "%2e%2e/a.png", ".../a.png", " /a.png", "con/a.png",
                 "x" * 300 + "/a.png", "\u202ecat/a.png", "cat/" + "y" * 300 + ".png",
                 "-rf/a.png", "~/a.png", "*/a.png", "\x1b[2J/a.png", "cat./a.png"):
        yield f"named {ascii(name[:40])}", _packed(name, "dog/b.png"), TAKEN
    yield "ten folders deep", _packed("/".join("abcdefghij") + "/a.png", "k/b.png"), "lies too deep"
    yield "one name twice", _packed("cat/a.png", "cat/a.png", "dog/b.png"), TAKEN
    yield "a file where a folder is", _packed("cat.png", "cat.png/a.png"), f"{TAKEN}|{DAMAGED}"
    yield "classes that become one name", _packed("a?/a.png", "a*/a.png"), TAKEN


def _kinds() -> Iterator[tuple[str, Write, str]]:
    yield "a link", _packed(_of_kind(stat.S_IFLNK), content=b"/etc/passwd"), "is a link"
    for name, mode in (("a device", stat.S_IFBLK), ("a pipe", stat.S_IFIFO),
                       ("a socket", stat.S_IFSOCK)):
        yield name, _packed(_of_kind(mode)), TAKEN
    yield "a program", _packed("run.sh", "a.exe"), "holds no image"
    yield "nothing", _packed(), "holds no image"
    yield "folders alone", _packed("cat/", "dog/"), "holds no image"
    yield "a zip in a zip", _packed("cat/a.zip"), "holds no image"
    yield "images that are none", _packed("cat/a.png", "dog/b.png", content=b"#!/bin/sh"), TAKEN
    yield "empty images", _packed("cat/a.png", "dog/b.png", content=b""), TAKEN


def _damage() -> Iterator[tuple[str, Write, str]]:
    yield "no zip", lambda path: path.write_bytes(b"hello"), f"zip: is no zip|{DAMAGED}"
    yield "an empty file", lambda path: path.write_bytes(b""), f"zip: is empty|{DAMAGED}"
    yield "its first half", _changed(lambda content: content[:len(content) // 2]), DAMAGED
    yield "its last half", _changed(lambda content: content[len(content) // 2:]), (
        f"{DAMAGED}|zip: is no zip")
    yield "a wrong checksum", _changed(_at(b"PK\1\2", 16, b"\1\2\3\4")), DAMAGED
    yield "encrypted", _changed(_at(b"PK\1\2", 8, b"\1\0")), DAMAGED
    yield "encrypted in its own header", _changed(_at(b"PK\3\4", 6, b"\1\0")), f"{DAMAGED}|{TAKEN}"
    for method in (1, 6, 8, 9, 12, 14, 93, 99, 65535):
        yield f"compressed by method {method}", _changed(
            _at(b"PK\1\2", 10, struct.pack("<H", method))), DAMAGED
    yield "a version to come", _changed(_at(b"PK\1\2", 6, b"\xff\0")), f"{DAMAGED}|{TAKEN}"
    yield "more files than listed", _changed(_at(b"PK\5\6", 8, b"\xff\xff\xff\xff")), (
        f"{DAMAGED}|{TAKEN}")
    yield "a directory elsewhere", _changed(_at(b"PK\5\6", 16, b"\xff\xff\0\0")), DAMAGED
    yield "a directory of 4 GB", _changed(_at(b"PK\5\6", 12, b"\xff\xff\xff\x7f")), DAMAGED
    yield "a file beyond the end", _changed(_at(b"PK\1\2", 42, b"\xff\xff\xff\x7f")), DAMAGED
    yield "files that overlap", _changed(_at(b"PK\1\2", 42, bytes(4))), DAMAGED
    yield "a name that is no UTF-8", _changed(
        lambda content: _at(b"PK\1\2", 8, b"\0\x08")(_at(b"PK\1\2", 46, b"\xff\xfe")(content))), (
        f"{DAMAGED}|{TAKEN}")
    yield "sizes that lie", _changed(_at(b"PK\1\2", 24, b"\1\0\0\0")), f"{DAMAGED}|unpacks to more"
    yield "a long comment", _changed(_at(b"PK\5\6", 20, b"\xff\xff")), f"{DAMAGED}|{TAKEN}"
    yield "an extra field that lies", _changed(_at(b"PK\1\2", 30, b"\xff\xff")), (
        f"{DAMAGED}|{TAKEN}")


def _bombs() -> Iterator[tuple[str, Write, str]]:
    yield "an image of 60 MB of NULs", _packed(
        "cat/a.png", content=bytes(60_000_000), method=zipfile.ZIP_DEFLATED), "larger than can be"
    yield "200,001 images", _packed(*(f"c/{i}.png" for i in range(200_001)), content=b""), (
        "larger than can be taken")
    yield "a million files that are no image", _packed(
        *(str(i) for i in range(1_000_000)), content=b""), "holds no image"
    yield "5 GB in 5 MB", _overlapping, f"larger than can be taken|{DAMAGED}"


def _overlapping(path: Path) -> None:
    """One compressed file that the directory lists 110 times over, as D. Fifield's bombs do."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("c/0.png", bytes(45_000_000))
    content = packed.getvalue()
    start = content.index(b"PK\1\2")
    entry = content[start:content.index(b"PK\5\6")]
    directory = b"".join(entry.replace(b"c/0.png", bytes(f"{i:03}.png", "ascii"))
                         for i in range(110))
    path.write_bytes(content[:start] + directory + struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, 110, 110, len(directory), start, 0))


def _here(write: Write) -> Give:
    def give(folder: Path) -> str:
        write(folder / "a.zip")
        (folder / "out").mkdir()
        before = {path.name for path in folder.iterdir()}
        try:
            with watched(("os.mkdir",)):
                unzip_here(folder / "a.zip", folder / "out")
        except NGFError as error:
            return str(error)
        finally:
            assert {path.name for path in folder.iterdir()} == before, "something lies beside"
        return TAKEN
    return give


def _apart(write: Write) -> Give:
    def give(folder: Path) -> str:
        write(folder / "a.zip")
        try:
            inside = unzipped(folder / "a.zip", folder / "kept")
        except NGFError as error:
            assert not list((folder / "kept").glob("*")), "something is left"
            return str(error)
        made = [path for path in inside.rglob("*") if path.is_symlink() or not (
            path.is_dir() or path.is_file())]
        assert not made, f"these are no images: {made}"
        return TAKEN
    return give


HEAVY = ("200,001 images", "a million files that are no image", "5 GB in 5 MB")


def zips() -> list[Case]:
    """Every zip, unpacked in this process, and apart in the long campaign."""
    files = [found for part in (_names, _kinds, _damage, _bombs) for found in part()]
    return [Case("zips", name, _apart(write), says, quick=False) if name in HEAVY else
            Case("zips", name, _here(write), says, also=_apart(write))
            for name, write, says in files]
