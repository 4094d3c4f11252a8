"""Bundles that nobody made with `ngf bundle`: names, sums, manifests, arrays, and stores where
something is in the way."""

import io
import json
import os
import stat
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from ngf_core.bundle import opened, report
from ngf_core.bundle.contents import ABOUT, SUMS, contents, sums
from ngf_core.bundle.opened import take_in
from ngf_core.bundle.unpack import unpack_here
from ngf_core.cli.tables import described, detailed, runs_table
from ngf_core.errors import NGFError
from ngf_core.runs import Run, RunStore
from ngf_core.runs.archive import packed
from ngf_core.runs.disk import file_sha
from ngf_core.runs.lineage import training_of
from ngf_core.runs.manifest import SHA, encoded
from tests.campaigns.hostile.case import TAKEN, Case, Give
from tests.campaigns.hostile.manifests import KEYS, VALUES
from tests.campaigns.hostile.marks import watched
from tests.support.fabricated_runs import make_run

Files = dict[str, bytes]
Write = Callable[[Path], object]
Prepare = Callable[[RunStore], object]
REFUSED, NAME = "^bundle: ", "is no file of a bundle"
SMALL = b"<!doctype html>"


def bundles() -> list[Case]:
    """Every bundle, unpacked in this process, and apart in the long campaign."""
    parts = (_names(), _kinds(), _sums(), _damage(), _abouts(), _manifests(), _contents(),
             _lineage())
    cases = [(name, write, says, _nothing) for part in parts for name, write, says in part]
    return [Case("bundles", name, _given(write, prepare, here=True), says,
                 also=_given(write, prepare, here=False))
            for name, write, says, prepare in [*cases, *_in_the_way()]]


def _names() -> Iterator[tuple[str, Write, str]]:
    for name in ("../evil.csv", "/etc/cron.d/evil", "runs/../../evil/events.jsonl", "runs/../evil",
                 "tables/../../evil.csv", "C:/evil.csv", "..\\evil.csv", "runs/a/b/events.jsonl",
                 "runs/A/manifest.json", "runs/a/run.sh", "runs/a/model.pt", "runs/a/keep",
                 "runs/a/cancel", "runs/a/.lock", "tables/", "figures/a.csv/", "evil.py",
                 "report.html ", "Report.html", "runs/%2e%2e/events.jsonl", "runs/\u0430/keep.npz",
                 "runs/" + "x" * 300 + "/events.jsonl", "runs//events.jsonl", "./bundle.json"):
        yield f"named {ascii(name[:40])}", _of(lambda f, name=name: f | {name: b"1"}), NAME
    yield "a file where a folder is", _of(lambda f: f | {"runs": b"1"}), NAME
    yield "2,001 files", _of(lambda f: f | {f"tables/{i}.csv": b"" for i in range(2_001)}), (
        "larger than 2,000 files")


def _kinds() -> Iterator[tuple[str, Write, str]]:
    for name, mode in (("a link", stat.S_IFLNK), ("a device", stat.S_IFBLK),
                       ("a pipe", stat.S_IFIFO), ("a folder", stat.S_IFDIR)):
        for place in ("report.html", "runs/a/manifest.json", "tables/a.csv"):
            yield f"{name} as {place}", _special(place, mode), "is a link or no plain file"
    yield "one name twice", _twice("report.html"), "is in it twice"
    yield "one manifest twice", _twice("manifest.json"), "is in it twice"


def _sums() -> Iterator[tuple[str, Write, str]]:
    lines = _files()[SUMS]
    changes = {
        "no sums": b"", "one sum less": b"\n".join(lines.split(b"\n")[1:]),
        "one sum more": lines + b"0" * 64 + b"  more.csv\n", "a sum of itself": lines + b"0" * 64
        + b"  SHA256SUMS\n", "sums of 0": b"\n".join(
            b"0" * 64 + line[64:] for line in lines.splitlines()) + b"\n",
        "sums in capitals": lines.upper(), "sums with CRLF": lines.replace(b"\n", b"\r\n\n"),
        "sums that climb": lines + b"0" * 64 + b"  ../../etc/passwd\n", "sums in UTF-16":
        lines.decode().encode("utf-16"), "sums of NULs": bytes(10_000), "sums twice": lines * 2}
    for name, content in changes.items():
        yield name, _raw(lambda f, content=content: f | {SUMS: content}), REFUSED
    yield "no sums at all", _raw(lambda f: _without(f, SUMS)), "has no SHA256SUMS"
    yield "a changed report", _raw(lambda f: f | {"report.html": b"<script>"}), "differs from its"
    yield "a changed array", _raw(lambda f: f | {_file(f, "npz"): b"1"}), "differs from its sum"


def _damage() -> Iterator[tuple[str, Write, str]]:
    def at(signature: bytes, offset: int, value: bytes) -> Write:
        def write(path: Path) -> None:
            content = bytearray(packed(_files()))
            place = content.rindex(signature) + offset
            content[place:place + len(value)] = value
            path.write_bytes(content)
        return write

    yield "no zip", lambda path: path.write_bytes(b"hello"), REFUSED
    yield "an empty file", lambda path: path.write_bytes(b""), REFUSED
    yield "its first half", lambda path: path.write_bytes(
        packed(_files())[:-len(packed(_files())) // 2]), REFUSED
    yield "nothing in it", lambda path: path.write_bytes(packed({})), "has no SHA256SUMS"
    yield "encrypted", at(b"PK\1\2", 8, b"\1\0"), REFUSED
    yield "compressed by method 99", at(b"PK\1\2", 10, struct.pack("<H", 99)), REFUSED
    yield "sizes that lie", at(b"PK\1\2", 24, b"\1\0\0\0"), REFUSED
    yield "sizes of 4 GB", at(b"PK\1\2", 24, b"\xff\xff\xff\x7f"), "larger than"
    yield "a file beyond the end", at(b"PK\1\2", 42, b"\xff\xff\xff\x7f"), REFUSED
    yield "files that overlap", at(b"PK\1\2", 42, bytes(4)), REFUSED
    yield "an image of 400 MB of NULs", _squeezed("report.html", 400_000_000), "unpacks to more"
    yield "a manifest of 100 MB", _squeezed("runs/a/manifest.json", 100_000_000), "unpacks to more"
    yield "5 GB in 5 MB", _overlapping, "larger than|cannot be unpacked"


def _abouts() -> Iterator[tuple[str, Write, str]]:
    runs = json.loads(_files()[ABOUT])["runs"]
    values: dict[str, Any] = {
        "a list": [], "null": None, "no runs": {"format": 1}, "runs that are none":
        {"format": 1, "runs": []}, "runs as a text": {"format": 1, "runs": runs[0]},
        "a run twice": {"format": 1, "runs": [*runs, runs[0]]}, "numbers as runs":
        {"format": 1, "runs": [1, 2]}, "runs that climb": {"format": 1, "runs": ["../../etc"]},
        "one run less": {"format": 1, "runs": runs[:-1]}, "one run more":
        {"format": 1, "runs": [*runs, "more"]}, "a later format": {"format": 2, "runs": runs},
        "a format of text": {"format": "1", "runs": runs}, "a format of 10**400":
        {"format": 10**400, "runs": runs}}
    for name, value in values.items():
        yield f"bundle.json: {name}", _of(
            lambda f, value=value: f | {ABOUT: json.dumps(value).encode()}), REFUSED
    for name, content in {"empty": b"", "nested 100,000 deep": b"[" * 100_000,
                          "10,000 digits": b'{"format": ' + b"9" * 10_000 + b"}",
                          "not UTF-8": b"\xff\xfe{}"}.items():
        yield f"bundle.json: {name}", _of(lambda f, c=content: f | {ABOUT: c}), REFUSED
    for name in ("benchmark", "check", "claim", "floors"):
        yield f"a run called {name}", _of(lambda f, name=name: _renamed(f, name)), "cannot be the"
    yield "a stray run", _of(lambda f: f | {"runs/stray/events.jsonl": b""}), "name each other"


def _manifests() -> Iterator[tuple[str, Write, str]]:
    # What is said of no consequence may be taken in: it is read like any other manifest.
    for key in KEYS:
        for name, value in VALUES.items():
            yield f"{key} is {name}", _of(
                lambda f, key=key, value=value: _manifest(f, -1, {key: value})), (
                f"{REFUSED}|{TAKEN}")
    for state in ("queued", "running", "failed", "cancelled", "lost", "corrupt"):
        yield f"a run that is {state}", _of(
            lambda f, state=state: _manifest(f, -1, {"state": state})), REFUSED
    yield "checksums of no file", _of(lambda f: _manifest(f, -1, {"files": {}})), "is not what its"
    yield "a manifest's wrong checksum", _of(
        lambda f: _manifest(f, -1, {SHA: "0" * 64})), "own checksum"
    yield "the manifest of another run", _of(
        lambda f: f | {_of_run(f, -1, "manifest.json"): f[_of_run(f, 0, "manifest.json")]}), (
        "belongs to another run")
    yield "a manifest nested 100,000 deep", _of(
        lambda f: f | {_of_run(f, -1, "manifest.json"): b"[" * 100_000}), REFUSED


def _contents() -> Iterator[tuple[str, Write, str]]:
    def changed(number: int, name: str, content: bytes) -> Write:
        return _of(lambda f: _replaced(f, number, name, content))

    unread = "cannot be read"
    for name, content in {"a pickle": _npz(thing=np.array([{}], dtype=object)),
                          "a zip of nothing": packed({}), "no zip": b"PK\3\4",
                          "400 MB of zeros": _npz(zeros=np.zeros(400_000_000, np.uint8)),
                          "a shape that lies": _lying_shape()}.items():
        yield f"an array file: {name}", changed(-1, "spectrum.npz", content), (
            f"{unread}|{TAKEN}" if name == "a zip of nothing" else unread)
    for name, arrays in {"other names": {"x": np.zeros(3)}, "texts": {
            key: np.array(["x"]) for key in _arrays()}, "scalars": {
            key: np.array(1.0) for key in _arrays()}, "nine axes": {
            key: np.zeros((1,) * 9) for key in _arrays()}, "nothing": {
            key: np.zeros(0) for key in _arrays()}, "NaN": {
            key: np.full_like(value, np.nan, dtype=float) for key, value in _arrays().items()}
            }.items():
        yield f"a spectrum of {name}", changed(-1, "spectrum.npz", _npz(**arrays)), (
            f"{unread}|{TAKEN}")
    for name, table in {"other columns": pd.DataFrame({"x": [1]}), "texts": pd.DataFrame(
            {key: ["x"] for key in ("method", "step", "seconds", "metric", "value", "n")}),
            "nothing": pd.DataFrame(), "lists": pd.DataFrame({"value": [[1]], "method": [[2]]}),
            "formulas": _points("=HYPERLINK(1)"), "HTML": _points("<script>alert(1)</script>"),
            "paths": _points("../../etc/passwd")}.items():
        yield f"curves of {name}", changed(1, "curves.parquet", table.to_parquet()), (
            f"{unread}|{TAKEN}")
    yield "curves that are none", changed(1, "curves.parquet", b"PAR1" * 10), unread
    for name, content in {
            "deep": b"[" * 100_000 + b"\n", "digits": b"9" * 10_000 + b"\n", "NULs": bytes(10_000),
            "no end": b'{"type": "point"', "no entries": b'{"type": "point"}\n',
            "other types": b'{"type": "point", "method": [], "step": "x", "seconds": {}, '
            b'"metrics": 1, "n": 1}\n', "a type that is a list": b'{"type": []}\n',
            "progress of nothing": b'{"type": "progress"}\n',
            "progress of texts": b'{"type": "progress", "done": "x", "total": [], "text": 5}\n',
            "infinite steps": b'{"type": "point", "method": "ngf", "step": 1e999, "seconds": 0, '
            b'"metrics": {"acc": 1}, "n": {}}\n'}.items():
        yield f"events: {name}", changed(1, "events.jsonl", content), f"{REFUSED}|{TAKEN}"
    for name, content in {
            "no header": b"", "a header of 2**60 bytes": struct.pack("<Q", 2**60) + b"{}",
            "a header that is a list": struct.pack("<Q", 2) + b"[]",
            "no end of a header": struct.pack("<Q", 50_000) + b"[" * 50_000,
            "a base that climbs": _safetensors({"base": "../../etc", "file": "passwd"}),
            "a base that is itself": _safetensors({"base": "x", "file": "after_ngf"})}.items():
        yield f"weights: {name}", changed(1, "more.safetensors", content), f"{REFUSED}|{TAKEN}"


def _lineage() -> Iterator[tuple[str, Write, str]]:
    def names(source: str) -> Write:
        return _of(lambda f: _sourced(f, -1, source or _runs(f)[-1]))

    before = "does not come before it"
    yield "a run that stands on itself", names(""), before
    yield "a run that stands on no run", names("20200101-000000-train-signs-00000000"), before
    yield "a run that stands on a path", names("../../etc"), f"{before}|config"
    yield "a run that stands on what it cannot", _of(
        lambda f: _sourced(f, 1, _runs(f)[0], kind="spectrum")), REFUSED
    yield "two runs that stand on each other", _of(
        lambda f: _sourced(f, 1, _runs(f)[-1])), before
    yield "sources last", _of(lambda f: f | {ABOUT: json.dumps(
        json.loads(f[ABOUT]) | {"runs": _runs(f)[::-1]}).encode()}), before


def _in_the_way() -> Iterator[tuple[str, Write, str, Prepare]]:
    """A store with something of the bundle's name."""
    whole, first = _of(lambda f: f), _runs(_files())[0]

    def put(make: Callable[[Path], object]) -> Prepare:
        def prepare(store: RunStore) -> None:
            store.root.mkdir()
            make(store.root / first)
        return prepare

    def folder(content: bytes) -> Callable[[Path], None]:
        def make(path: Path) -> None:
            path.mkdir()
            (path / "manifest.json").write_bytes(content)
        return make

    manifest = json.loads(_files()[f"runs/{first}/manifest.json"])
    damaged = "is here already, and damaged"
    yield "a whole bundle", whole, TAKEN, _nothing
    yield "a corrupt run of that id", whole, damaged, put(folder(b'{"schema": 2, "id"'))
    yield "a flipped bit of that run", whole, damaged, put(folder(
        encoded(manifest).replace(b'"train"', b'"tsain"')))
    yield "an empty folder of that id", whole, damaged, put(Path.mkdir)
    yield "another run of that id", whole, "There is another run", put(folder(
        encoded(manifest | {"results": {}})))
    yield "a waiting run of that id", whole, "There is another run", put(folder(
        encoded(manifest | {"state": "queued", "results": {}, "pid": None})))
    yield "a file of that id", whole, "is no run", put(lambda path: path.write_bytes(b"mine"))
    yield "a link of that id", whole, damaged, put(lambda path: path.symlink_to(path.parent.parent))
    yield "a link to nowhere of that id", whole, "is no run", put(
        lambda path: path.symlink_to("nowhere"))
    yield "a store that is a file", whole, "Runs cannot be kept", lambda store: (
        store.root.write_bytes(b"mine"))


# ---- files of a bundle, changed


@cache
def _fabricated() -> Files:
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder))
        with patch.object(report, "plotly_js", lambda: ""):
            files = contents([make_run(store, "spectrum")], store)
    return _summed(files | {"report.html": SMALL})


def _files() -> Files:
    return dict(_fabricated())


def _summed(files: Mapping[str, bytes]) -> Files:
    plain = _without(files, SUMS)
    return plain | {SUMS: sums(plain)}


def _without(files: Mapping[str, bytes], name: str) -> Files:
    return {other: content for other, content in files.items() if other != name}


def _of(change: Callable[[Files], Files]) -> Write:
    """A bundle that was changed before its sums were made."""
    return lambda path: path.write_bytes(packed(_summed(change(_files()))))


def _raw(change: Callable[[Files], Files]) -> Write:
    """A bundle that was changed after its sums were made."""
    return lambda path: path.write_bytes(packed(change(_files())))


def _runs(files: Files) -> list[str]:
    return json.loads(files[ABOUT])["runs"]


def _file(files: Files, suffix: str) -> str:
    return next(name for name in files if name.endswith(suffix))


def _of_run(files: Files, number: int, name: str) -> str:
    return f"runs/{_runs(files)[number]}/{name}"


def _manifest(files: Files, number: int, entries: Mapping[str, Any]) -> Files:
    """Entries of a run's manifest changed; without a checksum of its own, as old ones are."""
    name = _of_run(files, number, "manifest.json")
    told = {key: value for key, value in json.loads(files[name]).items() if key != SHA}
    changed = {key: value for key, value in (told | dict(entries)).items() if value is not ...}
    return files | {name: json.dumps(changed).encode()}


def _replaced(files: Files, number: int, name: str, content: bytes) -> Files:
    """A file of a run in place of another, with its checksum in the manifest."""
    told = json.loads(files[_of_run(files, number, "manifest.json")])["files"]
    changed = _manifest(files, number, {"files": told | {name: sha256(content).hexdigest()}})
    return changed | {_of_run(files, number, name): content}


def _sourced(files: Files, number: int, source: str, **entries: Any) -> Files:
    told = json.loads(files[_of_run(files, number, "manifest.json")])
    return _manifest(files, number, {"config": told["config"] | {"source": source} | entries,
                                     "source": source} | entries)


def _renamed(files: Files, name: str) -> Files:
    old = _runs(files)[0]
    return {path.replace(f"runs/{old}/", f"runs/{name}/"):
            content.replace(f'"{old}"'.encode(), f'"{name}"'.encode())
            for path, content in files.items()}


def _special(name: str, mode: int) -> Write:
    def write(path: Path) -> None:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, (mode | 0o777) << 16
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(info, b"/etc/passwd")
    return write


def _twice(suffix: str) -> Write:
    def write(path: Path) -> None:
        _of(lambda f: f)(path)
        with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
            warnings.simplefilter("ignore")
            archive.writestr(_file(_files(), suffix), b"other")
    return write


def _squeezed(name: str, size: int) -> Write:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, bytes(size))
    return write


def _overlapping(path: Path) -> None:
    """One compressed file that the directory lists 110 times over, as D. Fifield's bombs do."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tables/000.csv", bytes(45_000_000))
    content = whole.getvalue()
    start = content.index(b"PK\1\2")
    entry = content[start:content.index(b"PK\5\6")]
    directory = b"".join(entry.replace(b"000.csv", f"{i:03}.csv".encode()) for i in range(110))
    path.write_bytes(content[:start] + directory + struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, 110, 110, len(directory), start, 0))


def _npz(**arrays: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=True, **arrays)
    return content.getvalue()


def _arrays() -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(_files()[_of_run(_files(), -1, "spectrum.npz")])) as arrays:
        return {key: arrays[key] for key in arrays.files}


def _lying_shape() -> bytes:
    """An array file whose header tells of more numbers than follow."""
    content = io.BytesIO()
    np.save(content, np.zeros(3))
    return packed({"x.npy": content.getvalue().replace(b"(3,)", b"(9,)", 1)})


def _points(method: str) -> pd.DataFrame:
    return pd.DataFrame({"method": [method], "step": [1], "seconds": [0.1], "metric": ["asr"],
                         "value": [0.5], "n": pd.array([10], dtype="Int64")})


def _safetensors(about: Mapping[str, str]) -> bytes:
    header = json.dumps({"__metadata__": dict(about) | {"sha": "0" * 64}, "x": {
        "dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


# ---- what is done with them


def _nothing(store: RunStore) -> None:
    """A store that is not there yet."""


def _given(write: Write, prepare: Prepare, here: bool) -> Give:
    def give(folder: Path) -> str:
        write(folder / "a.zip")
        store = RunStore(folder / "store", folder / "shipped")
        prepare(store)
        before = _seen(folder)
        try:
            if here:
                with patch.object(opened, "aside", _unpacked_here), watched(
                        ("os.mkdir", "os.rename", "os.remove", "shutil.rmtree", "code.__new__")):
                    taken = take_in(folder / "a.zip", store)
            else:
                taken = take_in(folder / "a.zip", store)
        except NGFError as error:
            assert _seen(folder) == before, "something is left or changed"
            return str(error)
        for run in taken.new:
            _all_that_reads(store, run)
        return TAKEN
    return give


def _unpacked_here(task: str, file: Path, folder: Path, **_: object) -> dict[str, Any]:
    return unpack_here(file, folder)


def _seen(folder: Path) -> dict[str, str]:
    """What lies in a folder, the locks and the empty store apart: names, with sums of files."""
    return {str(path.relative_to(folder)): _kind_of(path) for path in folder.rglob("*")
            if not path.name.endswith(".lock") and (path != folder / "store" or path.is_file())}


def _kind_of(path: Path) -> str:
    return (os.readlink(path) if path.is_symlink() else file_sha(path) if path.is_file()
            else "folder")


def _all_that_reads(store: RunStore, run: Run) -> None:
    """What lists, shows and bundles a run; it may say why it does not."""
    assert run.manifest["foreign"], "it is not marked"
    assert runs_table(store.list()) and described(run)
    run.status()
    for read in (lambda: detailed(run), lambda: training_of(run, store), run.points, run.events,
                 run.progress, run.reached, run.predictions):
        try:
            read()
        except NGFError:
            continue
    try:
        with patch.object(report, "plotly_js", lambda: ""):
            contents([run], store)
    except NGFError:
        return
