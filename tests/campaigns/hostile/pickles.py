"""Pickles with payloads, by every opcode that calls, sets or looks something up."""

import io
import pickle
import pickletools
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from tests.campaigns.hostile.case import TAKEN, Case
from tests.campaigns.hostile.marks import ATTRIBUTE, FILE, VARIABLE
from tests.campaigns.hostile.model_files import Write, cases
from tests.campaigns.hostile.opcodes import (
    EMPTY,
    MARK,
    REDUCE,
    beside,
    call,
    called,
    legacy,
    protocol,
    stacked,
    tensor,
    text,
    zipped,
)

TOUCH = f"touch {FILE}"
OPEN = f"open('{FILE}','w').close()"
NOT_RUN = "whose code is not run"
UNREADABLE = "cannot be read as what torch.save"
ONE, NONE, TRUE = b"K\x01", b"N", b"\x88"
INNER = pickle.dumps({"a": 1})

# What a pickle may name, with arguments under which it would leave a mark or a trace.
CALLS: dict[str, tuple[str, str, tuple[bytes, ...]]] = {
    "os.system": ("os", "system", (text(TOUCH),)),
    "posix.system": ("posix", "system", (text(TOUCH),)),
    "os.popen": ("os", "popen", (text(TOUCH),)),
    "os.mkdir": ("os", "mkdir", (text(FILE),)),
    "os.putenv": ("os", "putenv", (text(VARIABLE), text("1"))),
    "os.execv": ("os", "execv", (text("/bin/true"), b"]")),
    "os.fork": ("os", "fork", ()),
    "posix.posix_spawn": ("posix", "posix_spawn", (text("/bin/true"), b"]", EMPTY)),
    "subprocess.Popen": ("subprocess", "Popen", (text("/bin/true"),)),
    "subprocess.check_output": ("subprocess", "check_output", (text("/bin/true"),)),
    "pty.spawn": ("pty", "spawn", (text("/bin/true"),)),
    "eval": ("builtins", "eval", (text(OPEN),)),
    "exec": ("builtins", "exec", (text(OPEN),)),
    "Python 2's eval": ("__builtin__", "eval", (text(OPEN),)),
    "open": ("builtins", "open", (text(FILE), text("w"))),
    "io.open": ("io", "open", (text(FILE), text("w"))),
    "io.FileIO": ("_io", "FileIO", (text(FILE), text("w"))),
    "pathlib.Path.touch": ("pathlib", "Path.touch", (text(FILE),)),
    "__import__": ("builtins", "__import__", (text("antigravity"),)),
    "import_module": ("importlib", "import_module", (text("antigravity"),)),
    "compile": ("builtins", "compile", (text(OPEN), text("x"), text("exec"))),
    "getattr": ("builtins", "getattr", (called("os", "path"), text("join"))),
    "setattr on torch": ("builtins", "setattr", (called("torch", "nn"), text(ATTRIBUTE), ONE)),
    "globals": ("builtins", "globals", ()),
    "breakpoint": ("builtins", "breakpoint", ()),
    "input": ("builtins", "input", ()),
    "attrgetter": ("operator", "attrgetter", (text("system"),)),
    "methodcaller": ("operator", "methodcaller", (text("system"), text(TOUCH))),
    "functools.partial": ("functools", "partial", (called("os", "system"), text(TOUCH))),
    "types.FunctionType": ("types", "FunctionType", (NONE, EMPTY)),
    "types.CodeType": ("types", "CodeType", ()),
    "marshal.loads": ("marshal", "loads", (b"C\x01N",)),
    "pickle.loads": ("pickle", "loads", (b"C" + bytes([len(INNER)]) + INNER,)),
    "_pickle.loads": ("_pickle", "loads", (b"C" + bytes([len(INNER)]) + INNER,)),
    "runpy": ("runpy", "run_path", (text("model.pt"),)),
    "timeit": ("timeit", "timeit", (text(OPEN),)),
    "cProfile": ("cProfile", "run", (text(OPEN),)),
    "pdb": ("pdb", "run", (text(OPEN),)),
    "code": ("code", "interact", ()),
    "doctest": ("doctest", "debug_script", (text(OPEN),)),
    "shutil.rmtree": ("shutil", "rmtree", (text("."),)),
    "webbrowser": ("webbrowser", "open", (text("http://127.0.0.1:9"),)),
    "urlopen": ("urllib.request", "urlopen", (text("http://127.0.0.1:9"),)),
    "socket": ("socket", "create_connection", (text("127.0.0.1"),)),
    "ctypes": ("ctypes", "CDLL", (NONE,)),
    "numpy.load": ("numpy", "load", (text("model.pt"),)),
    "numpy.fromfile": ("numpy", "fromfile", (text("/etc/hostname"),)),
    "numpy's runstring": ("numpy.testing._private.utils", "runstring", (text(OPEN), EMPTY)),
    "numpy._reconstruct": ("numpy._core.multiarray", "_reconstruct", (NONE, b")", NONE)),
    "torch.load": ("torch", "load", (text("model.pt"),)),
    "torch.save": ("torch", "save", (ONE, text(FILE))),
    "torch.from_file": ("torch", "from_file", (text(FILE), TRUE, ONE)),
    "torch.jit.load": ("torch.jit", "load", (text("model.pt"),)),
    "torch's _load_from_bytes": ("torch.storage", "_load_from_bytes",
                                 (b"C" + bytes([len(INNER)]) + INNER,)),
    "torch.ops.load_library": ("torch", "ops.load_library", (text("model.pt"),)),
    "torch.hub": ("torch.hub", "load", (text("a/b"), text("c"))),
    "torch's extension loader": ("torch.utils.cpp_extension", "load", (text("x"), b"]")),
    "torch.compile's backend": ("torch._dynamo", "optimize", ()),
    "torch.set_num_threads": ("torch", "set_num_threads", (ONE,)),
    "torch.nn.Linear": ("torch.nn", "Linear", (ONE, ONE)),
    "a module of ours": ("ngf_core.cli.main", "main", ()),
    "the reader itself": ("ngf_core.imports.unpickle", "Pickles", ()),
    "the allow-list": ("ngf_core.imports.unpickle", "ALLOWED", ()),
    "a name with dots": ("torch", "_utils.__builtins__", ()),
    "a module that there is not": ("no.such.module", "function", ()),
}


def _forms() -> Iterator[tuple[str, bytes]]:
    """os.system by each opcode that calls."""
    command, function = text(TOUCH), called("os", "system")
    yield "GLOBAL REDUCE", call(function, command)
    yield "STACK_GLOBAL REDUCE", call(stacked("os", "system"), command)
    yield "INST", MARK + command + b"ios\nsystem\n"
    yield "OBJ", MARK + function + command + b"o"
    yield "NEWOBJ", function + MARK + command + b"t\x81"
    yield "NEWOBJ_EX", function + MARK + command + b"t" + EMPTY + b"\x92"
    yield "BUILD with a state", call(function, command) + EMPTY + b"b"
    yield "BUILD with slots", function + NONE + EMPTY + text("x") + ONE + b"s\x86b"
    yield "APPEND", function + command + b"a"
    yield "APPENDS", function + MARK + command + b"e"
    yield "SETITEM", call(called("os", "_Environ")) + text(VARIABLE) + text("1") + b"s"
    yield "SETITEMS on os.environ", called("os", "environ") + MARK + text(VARIABLE) + text(
        "1") + b"u"
    yield "ADDITEMS", function + MARK + command + b"\x90"
    yield "LONG_BINGET of the memo", function + b"r\x05\0\0\0" + b"0" + b"j\x05\0\0\0" + (
        MARK + command + b"t" + REDUCE)
    yield "DUP", function + b"20" + MARK + command + b"t" + REDUCE
    yield "called twice over", call(call(called("functools", "partial"), function), command)
    yield "EXT1", b"\x82\x01" + MARK + command + b"t" + REDUCE
    yield "EXT2", b"\x83\x01\x01" + MARK + command + b"t" + REDUCE
    yield "EXT4", b"\x84\x01\0\0\x01" + MARK + command + b"t" + REDUCE
    yield "PERSID", b"Pos.system\n"
    yield "BINPERSID of a call", call(function, command) + b"Q"
    yield "a class as persistent id", MARK + text("storage") + function + text("0") + text(
        "cpu") + ONE + b"tQ"


def _payloads() -> Iterator[tuple[str, Write, str]]:
    for name, (module, attribute, arguments) in CALLS.items():
        payload = call(called(module, attribute), *arguments)
        yield f"{name} beside tensors", _zip(beside(payload)), TAKEN
        yield f"{name} alone", _zip(protocol(2, payload)), NOT_RUN
    broken = f"{NOT_RUN}|{UNREADABLE}"
    for name, payload in _forms():
        yield f"{name}, beside tensors", _zip(beside(payload)), f"{TAKEN}|{broken}"
        yield f"{name}, in a legacy file", _legacy(protocol(2, payload)), broken
    for number in range(6):
        payload = call(called("os", "system"), text(TOUCH))
        yield f"protocol {number}", _zip(protocol(number, payload)), broken
    yield "protocol 6", _zip(protocol(6, NONE)), UNREADABLE
    yield "protocol 255", _zip(protocol(255, NONE)), UNREADABLE
    yield "a text protocol", lambda path: path.write_bytes(
        b"cos\nsystem\n(S'" + TOUCH.encode() + b"'\ntR."), "neither safetensors nor"


def _changes() -> Iterator[tuple[str, Write, str]]:
    """BUILD, which sets attributes, on what a pickle may call."""
    said = "changes what it may only call"
    rebuild = called("torch._utils", "_rebuild_tensor_v2")
    slots = NONE + EMPTY + text("__globals__") + EMPTY + b"s\x86b"
    yield "attributes of a function", _zip(beside(rebuild + slots)), said
    yield "a state for a function", _zip(beside(rebuild + EMPTY + b"b")), said
    yield "_build of a function", _zip(beside(
        rebuild + NONE + EMPTY + text("_build") + called("os", "system") + b"s\x86b")), said
    yield "attributes of OrderedDict", _zip(beside(called("collections", "OrderedDict") + slots)
                                            ), said
    yield "attributes of a type", _zip(beside(
        called("torch", "float32") + NONE + EMPTY + text(ATTRIBUTE) + ONE + b"s\x86b")), UNREADABLE
    yield "attributes of a table", _zip(beside(
        call(called("collections", "OrderedDict")) + EMPTY + text("items") + ONE + b"sb")), (
        "more .a OrderedDict.")
    yield "the class of a table", _zip(beside(
        call(called("collections", "OrderedDict")) + NONE + EMPTY + text("__class__")
        + called("os", "system") + b"s\x86b")), UNREADABLE
    yield "the class of a tensor", _zip(beside(
        tensor("0") + NONE + EMPTY + text("__class__") + called("os", "system") + b"s\x86b")), (
        UNREADABLE)
    yield "the state of a tensor", _zip(beside(tensor("0") + EMPTY + b"b")), UNREADABLE
    yield "hooks of a tensor", _zip(beside(call(
        called("torch._utils", "_rebuild_tensor_v2"), MARK + text("storage") + called(
            "torch", "FloatStorage") + text("0") + text("cpu") + b"K\x04tQ", b"K\0", b"K\x04\x85",
        b"K\x01\x85", TRUE, EMPTY + ONE + called("os", "system") + b"s"))), f"{TAKEN}|{UNREADABLE}"


def _storages() -> Iterator[tuple[str, Write, str]]:
    """Tensors whose storage is not what it says."""
    two = tensor("0")

    def one(**other: object) -> Write:
        odd = tensor("0", **other)  # type: ignore[arg-type]
        return _zip(protocol(2, EMPTY + MARK + text("a") + odd + text("b") + two + b"u"))

    yield "more numbers than stored", one(numel=10**6), UNREADABLE
    yield "a shape beyond its storage", one(size=(10**12,)), UNREADABLE
    yield "a negative size", one(size=(-4,)), UNREADABLE
    yield "a negative stride", one(stride=(-1,)), UNREADABLE
    yield "a negative offset", one(offset=-4), UNREADABLE
    yield "an offset beyond", one(offset=10**9), UNREADABLE
    yield "sizes that overflow", one(size=(2**62, 2**62), stride=(1, 1)), UNREADABLE
    yield "sizes and strides of other lengths", one(size=(2, 2)), UNREADABLE
    yield "a negative count", one(numel=-1), UNREADABLE
    yield "a count of 2**62", one(numel=2**62), UNREADABLE
    yield "a storage of another file", one(location="file:///etc/passwd"), f"{TAKEN}|{UNREADABLE}"
    yield "on a device that is not here", one(location="cuda:7"), f"{TAKEN}|{UNREADABLE}"
    yield "a storage of no type", one(kind="NoSuchStorage"), f"{NOT_RUN}|{UNREADABLE}"
    yield "untyped storage", one(kind="UntypedStorage"), f"{TAKEN}|{UNREADABLE}"
    traversing = protocol(2, EMPTY + MARK + text("a") + tensor("../../../etc/passwd") + b"u")
    yield "a key that leads out", _zip(traversing), UNREADABLE
    yield "a key with a NUL", _zip(protocol(2, tensor("0\0/etc"))), f"a Tensor and not|{UNREADABLE}"
    yield "a key that is no text", _zip(protocol(2, MARK + text("storage") + called(
        "torch", "FloatStorage") + ONE + text("cpu") + ONE + b"tQ")), UNREADABLE
    yield "a persistent id of another kind", _zip(protocol(2, MARK + text(
        "module") + called("os", "system") + b"tQ")), UNREADABLE
    yield "a legacy module with its source", _legacy(protocol(2, MARK + text("module") + called(
        "torch.nn", "Linear") + text(FILE) + text("source") + b"tQ")), (
        f"TorchScript|{UNREADABLE}|{NOT_RUN}")
    yield "a legacy storage that is not there", _legacy(protocol(2, MARK + text(
        "storage") + called("torch", "FloatStorage") + text("7") + text("cpu") + b"K\x04NtQ")), (
        f"{UNREADABLE}|holds a")
    yield "legacy keys that are a payload", _legacy(protocol(2, EMPTY), protocol(2, call(
        called("os", "system"), text(TOUCH)))), f"holds no state dict|{UNREADABLE}"


def _shapes() -> Iterator[tuple[str, Write, str]]:
    """Pickles that are nested, endless or far larger than their file."""
    deep = b"]" * 200_000 + b"a" * 199_999
    yield "lists in lists, 200,000 deep", _zip(protocol(2, deep)), "a list and not a table"
    yield "tables in tables", _zip(protocol(2, b"".join(
        EMPTY + text("state_dict") for _ in range(50_000)) + NONE + b"s" * 50_000)), (
        f"holds no state dict|nested deeper|{UNREADABLE}")
    laughs = b"]q\0" + b"".join(b"](" + b"h" + bytes([i]) * 1 + b"h" + bytes([i])
                                + b"eq" + bytes([i + 1]) for i in range(60))
    yield "a billion laughs", _zip(protocol(2, laughs)), "a list and not a table"
    pairs = b")q\x000" + b"".join(b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1])
                                  + b"0" for i in range(60)) + b"h\x3c"
    yield "a key that takes forever to hash", _zip(protocol(2, EMPTY + pairs + ONE + b"s")), (
        "could not be read within")
    yield "a table that holds itself", _zip(protocol(2, b"}q\0" + text("a") + b"h\0s")), (
        "holds no state dict")
    yield "a memo of 2**31 places", _zip(protocol(2, NONE + b"r\xff\xff\xff\x7f")), (
        f"could not be read within|{UNREADABLE}")
    yield "a text of 2**62 letters", _zip(protocol(4, b"\x8d" + struct.pack("<Q", 2**62))), (
        f"could not be read within|{UNREADABLE}")
    yield "bytes of 2**63", _zip(protocol(4, b"\x8e" + struct.pack("<Q", 2**63))), (
        f"could not be read within|{UNREADABLE}")
    yield "a frame of 2**63", _zip(protocol(4, b"\x95" + struct.pack("<Q", 2**63))), UNREADABLE
    yield "a number of a million digits", _zip(protocol(2, b"L" + b"9" * 10**6 + b"L\n")), (
        f"a int and not|{UNREADABLE}")
    yield "a byte array of 4 GB", _zip(protocol(5, b"\x96" + struct.pack("<Q", 4 * 10**9))), (
        f"could not be read within|{UNREADABLE}")
    yield "an empty pickle", _zip(b""), UNREADABLE
    yield "only a stop", _zip(b"."), UNREADABLE
    yield "no stop", _zip(b"\x80\x02" + NONE), UNREADABLE
    for opcode in pickletools.opcodes:
        if opcode.name in ("POP", "POP_MARK", "REDUCE", "BUILD", "TUPLE3", "SETITEM", "APPENDS",
                           "BINGET", "GET", "NEWOBJ_EX", "STACK_GLOBAL", "READONLY_BUFFER",
                           "NEXT_BUFFER", "MEMOIZE", "FROZENSET", "DICT"):
            yield f"{opcode.name} on an empty stack", _zip(
                protocol(4, opcode.code.encode("latin-1") + b"0\n")), (
                f"{UNREADABLE}|and not a table|{NOT_RUN}")


def _containers() -> Iterator[tuple[str, Write, str]]:
    """The same payload wrapped in other ways."""
    payload = call(called("os", "system"), text(TOUCH))

    def nested(path: Path) -> None:
        _zip(beside(payload))(path)
        inner = path.read_bytes()
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model.pt", inner)

    def tar(path: Path) -> None:
        with tarfile.open(path, "w") as archive:
            for name in ("storages", "tensors", "pickle"):
                info = tarfile.TarInfo(name)
                info.size = len(protocol(2, payload))
                archive.addfile(info, io.BytesIO(protocol(2, payload)))

    def two(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", protocol(2, payload))
            archive.writestr("archive/data.pkl", protocol(2, EMPTY))

    yield "a zip in a zip", nested, f"cannot be read as a zip|{UNREADABLE}"
    yield "a legacy tar", tar, "is a tar archive|neither safetensors nor"
    yield "two pickles of one name", two, f"{NOT_RUN}|holds no state dict|{UNREADABLE}"
    yield "with code", _zip(beside(NONE), {"archive/code/__torch__.py": OPEN.encode()}), (
        "TorchScript")
    yield "with constants", _zip(beside(NONE), {"archive/constants.pkl": protocol(2, payload)}), (
        "TorchScript")
    yield "with code in another folder", _zip(beside(NONE), {
        "other/code/__torch__.py": OPEN.encode()}), "TorchScript"
    yield "with a module in .data", _zip(beside(NONE), {
        "archive/.data/serialization_id": b"1"}), TAKEN
    yield "a version that there is not", _zip(beside(NONE), {
        "archive/.format_version": b"99"}), TAKEN
    yield "a compressed pickle", lambda path: zipped(
        beside(payload), path, method=zipfile.ZIP_DEFLATED), f"{TAKEN}|{UNREADABLE}"
    yield "a script that torch compiled", _script, "TorchScript"
    yield "a whole model", lambda path: torch.save(torch.nn.Linear(2, 2), path), NOT_RUN
    yield "a whole model in the legacy form", lambda path: torch.save(
        torch.nn.Linear(2, 2), path, _use_new_zipfile_serialization=False), (
        f"{NOT_RUN}|{UNREADABLE}")


def _script(path: Path) -> None:
    torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save(str(path))


def _zip(content: bytes, records: dict[str, bytes] | None = None) -> Write:
    return lambda path: zipped(content, path, records)


def _legacy(content: bytes, keys: bytes = b"") -> Write:
    return lambda path: legacy(content, path, keys)


HEAVY = ("a key that takes forever to hash", "a memo of 2**31 places",
         "a text of 2**62 letters", "bytes of 2**63", "a byte array of 4 GB")
PARTS: tuple[Callable[[], Iterator[tuple[str, Write, str]]], ...] = (
    _payloads, _changes, _storages, _shapes, _containers)


def pickles() -> list[Case]:
    """Every pickle, in the containers that torch.load takes."""
    files = {name: (write, says) for part in PARTS for name, write, says in part()}
    return cases("pickles", files, HEAVY)
