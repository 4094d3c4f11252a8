"""Files with models: read in another process, without running what they hold."""

import io
import json
import os
import pickle
import struct
import subprocess
import tarfile
import warnings
import zipfile
from typing import Tuple  # noqa: UP035  TorchScript knows no other

import pytest
import torch
from safetensors.torch import save_file

from ngf_core.errors import ConfigError, NGFError
from ngf_core.imports import aside as door
from ngf_core.imports import reading
from ngf_core.imports.aside import REPORT, _bare, turn
from ngf_core.imports.reader import read_here
from ngf_core.imports.reading import came_as, load, read_before, read_model
from ngf_core.imports.take_in import Look
from tests.support.faked import faked
from tests.support.foreign_networks import backdoorbench, preact_resnet18

pytestmark = pytest.mark.usefixtures("forked_readers")

STATE = preact_resnet18(width=4)


class Marker:
    """Unpickling it makes a folder: harmless, and seen."""

    def __init__(self, place):
        self.place = str(place)

    def __reduce__(self):
        return os.mkdir, (self.place,)


@pytest.fixture
def at_once(monkeypatch):
    """Files read in this process: what comes out of them does not depend on where that is done."""
    def here(task, file, folder, *words, memory_gb, seconds):
        report = read_here(file, folder, *words)
        (folder / REPORT).write_text(json.dumps(report))
        return report

    faked(monkeypatch, reading, "aside", here)


def equal(found, wanted):
    return list(found) == list(wanted) and all(
        torch.equal(found[name], wanted[name]) and found[name].dtype == wanted[name].dtype
        for name in wanted)


@pytest.mark.parametrize("wrapped, place, prefix", [
    (lambda s: s, "", ""),
    (lambda s: {"state_dict": s, "epoch": 3, "best": 0.9}, "state_dict", ""),
    (lambda s: {"net": {f"module.{k}": v for k, v in s.items()}}, "net", "module."),
    (lambda s: {f"_orig_mod.module.{k}": v for k, v in s.items()}, "", "_orig_mod.module."),
    (lambda s: {"ema": dict(s), "model": s}, "model", ""),
    (lambda s: {"ema": {f"module.{k}": v for k, v in s.items()}, "step": 5}, "ema", "module."),
], ids=["bare", "checkpoint", "data parallel", "compiled", "with ema", "ema alone"])
def test_the_tensors_come_out_as_they_went_in(tmp_path, wrapped, place, prefix, at_once):
    torch.save(wrapped(STATE), tmp_path / "model.pt")
    read = read_model(tmp_path / "model.pt", tmp_path / "kept")
    assert (read.place, read.prefix) == (place, prefix)
    assert equal(load(read), STATE)
    assert came_as(read)["prefix"] == prefix


def test_what_an_earlier_version_read_is_read_as_it_came(tmp_path, at_once):
    """It reported the names in the file's order and only counted the types."""
    mixed = {"b.weight": torch.ones(3, dtype=torch.float16),
             "a.weight": torch.ones(2, 2, dtype=torch.bfloat16), "n": torch.tensor(4)}
    torch.save(mixed, tmp_path / "model.pt")
    read = read_model(tmp_path / "model.pt", tmp_path / "kept")
    (report,) = (tmp_path / "kept").glob("*.json")
    said = json.loads(report.read_text())
    del said["types"]
    report.write_text(json.dumps(said | {"names": list(mixed),
                                         "dtypes": {"float16": 1, "bfloat16": 1, "int64": 1}}))
    again = read_before(tmp_path / "kept", read.sha)
    assert again == read and list(again.types) == list(mixed) and equal(load(again), mixed)


@pytest.mark.parametrize("report", ["{}", '{"types": {"a": "float3', '[1]', '{"names": ["a.b"]}'])
def test_a_report_that_says_nothing_usable_is_read_again(tmp_path, report, at_once):
    torch.save(STATE, tmp_path / "model.pt")
    read = read_model(tmp_path / "model.pt", tmp_path / "kept")
    (kept,) = (tmp_path / "kept").glob("*.json")
    kept.write_text(report)
    assert read_before(tmp_path / "kept", read.sha) is None
    assert read_model(tmp_path / "model.pt", tmp_path / "kept") == read


def test_types_are_kept_and_counted(tmp_path, at_once):
    mixed = {"a.weight": torch.ones(2, 2, dtype=torch.bfloat16),
             "b.weight": torch.ones(3, dtype=torch.float16), "n": torch.tensor(4)}
    torch.save(mixed, tmp_path / "model.pt")
    read = read_model(tmp_path / "model.pt", tmp_path / "kept")
    assert equal(load(read), mixed)
    assert read.counts() == {"bfloat16": 1, "float16": 1, "int64": 1}


def test_safetensors(tmp_path, at_once):
    save_file(STATE, tmp_path / "model.safetensors")
    read = read_model(tmp_path / "model.safetensors", tmp_path / "kept")
    assert {k: v.tolist() for k, v in load(read).items()} == {k: v.tolist()
                                                              for k, v in STATE.items()}


def test_backdoorbench_tells_about_its_model(tmp_path):
    torch.save(backdoorbench(STATE), tmp_path / "attack_result.pt")
    read = read_model(tmp_path / "attack_result.pt", tmp_path / "kept")
    assert read.said == {"model_name": "preactresnet18", "num_classes": 10,
                         "img_size": [32, 32, 3], "clean_data": "cifar10"}


def test_no_code_of_the_file_is_run(tmp_path, monkeypatch):
    """By a process that is started anew, as for a visitor."""
    monkeypatch.setattr(door, "subprocess", subprocess)
    marker = tmp_path / "marker"
    torch.save(backdoorbench(STATE, bd_test={"images": [Marker(marker)]}), tmp_path / "model.pt")
    assert equal(load(read_model(tmp_path / "model.pt", tmp_path / "kept")), STATE)
    assert not marker.exists()
    torch.load(tmp_path / "model.pt", weights_only=False)
    assert marker.exists()  # so the file would have


@pytest.mark.parametrize("zipped", [True, False])
def test_code_that_a_file_names_is_named_and_not_run(tmp_path, zipped):
    marker = tmp_path / "marker"
    torch.save({"state_dict": STATE, "x": [Marker(marker), Marker(marker)]},
               tmp_path / "model.pt", _use_new_zipfile_serialization=zipped)
    read = read_model(tmp_path / "model.pt", tmp_path / "kept")
    name = f"{os.mkdir.__module__}.mkdir"
    assert (read.ignored, read.ignored_count) == ((name,), 1) and not marker.exists()
    assert any(f"was not run, and what it would have made is left out: {name}." in sentence
               for sentence in Look(read, None).sentences())
    torch.save(STATE, tmp_path / "model.pt")
    assert read_model(tmp_path / "model.pt", tmp_path / "kept").ignored_count == 0


def test_names_of_code_are_few_short_and_printable(tmp_path, at_once):
    names = [f"b\x1b{i:02}{'c' * 200}" for i in range(30)]
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        torch.save({"a": torch.ones(2), "b": torch.ones(2)}, tmp_path / "plain.pt")
        with zipfile.ZipFile(tmp_path / "plain.pt") as plain:
            for part in plain.namelist():
                content = plain.read(part)
                if part.endswith("data.pkl"):  # PROTO first, then names that are put aside
                    content = content[:2] + b"".join(
                        f"ca\n{name}\n0".encode() for name in names) + content[2:]
                archive.writestr(part, content)
    read = read_model(tmp_path / "model.pt", tmp_path / "kept")
    assert read.ignored_count == 30 and len(read.ignored) == 20
    assert all(len(name) <= 80 and name.isprintable() for name in read.ignored)
    assert any(sentence.endswith(" and 10 more.") for sentence in Look(read, None).sentences())


def test_what_was_read_before_names_were_noted_is_read_again(tmp_path, at_once):
    torch.save({"state_dict": STATE, "x": Marker(tmp_path / "marker")}, tmp_path / "model.pt")
    read = read_model(tmp_path / "model.pt", tmp_path / "kept")
    (report,) = (tmp_path / "kept").glob("*.json")
    said = json.loads(report.read_text())
    del said["ignored"], said["ignored_count"]
    report.write_text(json.dumps(said))
    assert read_before(tmp_path / "kept", read.sha).ignored_count is None  # and can be used
    assert read_model(tmp_path / "model.pt", tmp_path / "kept") == read


def test_a_file_that_was_read_is_not_read_again(tmp_path, monkeypatch):
    torch.save(STATE, tmp_path / "model.pt")
    first = read_model(tmp_path / "model.pt", tmp_path / "kept")
    monkeypatch.setattr("ngf_core.imports.reading.aside", None)
    assert read_model(tmp_path / "model.pt", tmp_path / "kept") == first
    assert read_before(tmp_path / "kept", first.sha) == first
    assert read_before(tmp_path / "kept", "0" * 64) is None


def test_another_state_dict_of_the_same_file(tmp_path, at_once):
    torch.save({"model": STATE, "ema": {name: value + 1 for name, value in STATE.items()}},
               tmp_path / "model.pt")
    assert read_model(tmp_path / "model.pt", tmp_path / "kept").others == ("ema",)
    averaged = load(read_model(tmp_path / "model.pt", tmp_path / "kept", inside="ema"))
    assert torch.equal(averaged["linear.bias"], STATE["linear.bias"] + 1)
    with pytest.raises(ConfigError, match="no state dict under 'best'. It has model, ema"):
        read_model(tmp_path / "model.pt", tmp_path / "kept", inside="best")


def write_lying_header(path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [10**6, 10**6],
                               "data_offsets": [0, 4 * 10**12]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 64)


def write_script(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"archive/{name}", b"\x80\x02.")


def write_bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02." + b"\0" * 10**7)


@pytest.mark.parametrize("write, message", [
    (lambda path: path.write_bytes(b""), "neither safetensors nor what torch.save writes"),
    (lambda path: path.write_bytes(b"hello, this is no model"), "neither safetensors nor"),
    (lambda path: path.write_bytes(b"\x80\x04garbage" * 20), "cannot be read"),
    (lambda path: path.write_bytes(b"PK\x03\x04" + b"\0" * 200), "cannot be read as a zip"),
    (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "cannot be read"),
    (lambda path: torch.save([1, 2], path), "a list and not a table of tensors"),
    (lambda path: torch.save({"epoch": 1}, path), r"no state dict: epoch \(a int\)"),
    (lambda path: torch.save(torch.nn.Linear(2, 2), path), "whose code is not run"),
    (lambda path: torch.save({"a": torch.tensor([1.0, float("nan")]), "b": torch.ones(1)}, path),
     "1 of the 2 numbers in a are not finite"),
    (lambda path: torch.save({"bn1.weight": torch.ones(2), "bn1.running_var": torch.tensor(
        [1.0, -1.0])}, path), r"bn1\.running_var holds a negative variance, -1"),
    (lambda path: torch.save({"a": torch.ones(2, dtype=torch.complex64), "b": torch.ones(1)}, path),
     "a is torch.complex64"),
    (write_lying_header, "damaged safetensors"),
    (write_script, "TorchScript archive, which holds code"),
    (write_bomb, "cannot be read"),
], ids=["empty", "text", "broken pickle", "broken zip", "bare pickle", "list", "no tensors",
        "whole model", "nan", "negative variance", "complex", "lying header", "script", "bomb"])
def test_what_is_wrong_with_a_file_is_said(tmp_path, write, message):
    write(tmp_path / "model.pt")
    with pytest.raises(ConfigError, match=message):
        read_here(tmp_path / "model.pt", tmp_path, "")
    assert not (tmp_path / "tensors").exists()


def test_what_the_other_process_says_is_said_here(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"\x80\x04garbage" * 20)
    with pytest.raises(ConfigError, match="file: cannot be read as what .* Give one of"):
        read_model(tmp_path / "model.pt", tmp_path / "kept")
    assert not list((tmp_path / "kept").iterdir())


@pytest.mark.parametrize("content, message", [
    (b"", "file: is empty"), (b"hello, this is no model", "neither safetensors nor .* Give one of"),
    (b"\x89PNG\r\n\x1a\n" + bytes(300), "neither safetensors nor")])
def test_what_is_no_model_by_its_first_bytes_takes_nobodys_turn(tmp_path, content, message):
    (tmp_path / "model.pt").write_bytes(content)
    with turn(tmp_path / "kept"), pytest.raises(ConfigError, match=message):
        read_model(tmp_path / "model.pt", tmp_path / "kept", waiting=never)


def test_a_file_that_was_read_waits_for_nobody(tmp_path):
    torch.save(STATE, tmp_path / "model.pt")
    read = read_model(tmp_path / "model.pt", tmp_path / "kept")
    with turn(tmp_path / "kept"):
        assert read_model(tmp_path / "model.pt", tmp_path / "kept", waiting=never) == read


def never() -> None:
    raise AssertionError("it waits")


def hidden_script(path):
    """TorchScript that writes a file on loading, in a zip that torch reads and Python does not."""
    class Writes(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.zeros(3))

        def forward(self, x: torch.Tensor):
            return x + self.w

        @torch.jit.export
        def __getstate__(self):
            return (self.w, self.training)

        @torch.jit.export
        def __setstate__(self, state: Tuple[torch.Tensor, bool]):  # noqa: UP006
            self.training = state[1]
            self.w = torch.from_file("PLACE", True, 16, dtype=torch.float32).add_(48.0)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(Writes()).save(str(path))
    content = bytearray(path.read_bytes())
    end = content.rfind(b"PK\5\6")
    size, start = struct.unpack("<II", content[end + 12:end + 20])
    directory, tail = bytes(content[start:start + size]), content[start + size:]
    name, extra, _ = struct.unpack("<HHH", directory[28:34])
    changed = (directory[:30] + struct.pack("<H", extra + 4) + directory[32:46 + name + extra]
               + b"\x99\x99\xff\x7f" + directory[46 + name + extra:])
    at = tail.rfind(b"PK\5\6")
    tail[at + 12:at + 16] = struct.pack("<I", len(changed))
    wide = tail.find(b"PK\6\6")
    if wide >= 0:
        tail[wide + 40:wide + 48] = struct.pack("<Q", len(changed))
        last = tail.find(b"PK\6\7")
        offset, = struct.unpack("<Q", tail[last + 8:last + 16])
        tail[last + 8:last + 16] = struct.pack("<Q", offset + 4)
    path.write_bytes(bytes(content[:start]) + changed + bytes(tail))


def test_a_script_that_only_torch_finds_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hidden_script(tmp_path / "model.pt")
    with pytest.raises(ConfigError, match="cannot be read as a zip"):
        read_here(tmp_path / "model.pt", tmp_path, "")
    # And were it missed there, torch would not get to run it.
    monkeypatch.setattr("ngf_core.imports.reader._refuse_script", lambda path: None)
    with pytest.raises(ConfigError, match="TorchScript archive, which holds code"):
        read_here(tmp_path / "model.pt", tmp_path, "")
    assert not (tmp_path / "PLACE").exists()


def test_a_pickle_cannot_change_what_it_may_call(tmp_path):
    """A legacy file that names a function of ours as a module whose source is to be compared."""
    def text(value):
        return b"X" + len(value).to_bytes(4, "little") + value

    serialization, file = torch.serialization, io.BytesIO()
    for part in (serialization.MAGIC_NUMBER, serialization.PROTOCOL_VERSION,
                 {"protocol_version": 1001, "little_endian": True,
                  "type_sizes": {"short": 2, "int": 4, "long": 4}}):
        pickle.dump(part, file, protocol=2)
    function = b"ctorch._utils\n_rebuild_tensor_v2\n"
    place = str(tmp_path / "written").encode()
    file.write(b"\x80\x02" + function + b"N(" + text(b"dump_patches") + b"\x88"
               + text(b"__name__") + text(place) + b"d\x86b0(" + text(b"module") + function
               + text(b"x.py") + text(b"line\n") + b"tQ0}.")
    pickle.dump([], file, protocol=2)
    (tmp_path / "model.pt").write_bytes(file.getvalue())
    with pytest.raises(ConfigError, match="changes what it may only call"):
        read_here(tmp_path / "model.pt", tmp_path, "")
    assert not (tmp_path / "written.patch").exists()
    assert torch._utils._rebuild_tensor_v2.__name__ == "_rebuild_tensor_v2"


def test_legacy_files_of_tensors_are_read(tmp_path, at_once):
    torch.save(STATE, tmp_path / "model.pt", _use_new_zipfile_serialization=False)
    assert equal(load(read_model(tmp_path / "model.pt", tmp_path / "kept")), STATE)


def test_a_tar_is_refused(tmp_path, at_once):
    (tmp_path / "\x80a").write_bytes(b"1")
    with tarfile.open(tmp_path / "model.pt", "w") as archive:
        archive.add(tmp_path / "\x80a", "\x80a")
    with pytest.raises(ConfigError, match="is a tar archive|neither safetensors"):
        read_here(tmp_path / "model.pt", tmp_path, "")


def test_the_reader_does_not_see_the_servers_secrets(monkeypatch):
    monkeypatch.setenv("NGF_TOKEN", "secret")
    assert "NGF_TOKEN" not in _bare() and "PATH" in _bare()


def test_missing_and_too_large(tmp_path):
    with pytest.raises(ConfigError, match="there is no file"):
        read_model(tmp_path / "none.pt", tmp_path)
    torch.save(STATE, tmp_path / "model.pt")
    with pytest.raises(ConfigError, match="at most 1e-06 GB are read"):
        read_model(tmp_path / "model.pt", tmp_path, memory_gb=1e-6)


def test_a_file_that_takes_too_much_memory_is_given_up(tmp_path):
    # One number, shown ten gigabytes wide: the copy into safetensors would need them.
    huge = torch.empty(1).expand(2_500_000_000)
    torch.save({"a": huge, "b": torch.ones(1)}, tmp_path / "model.pt")
    with pytest.raises(NGFError, match=r"within 0.5 GB and \d+ seconds"):
        read_model(tmp_path / "model.pt", tmp_path / "kept", memory_gb=0.5)


def test_the_sha_is_a_name_and_no_path(tmp_path):
    with pytest.raises(ConfigError, match="is no SHA-256"):
        read_before(tmp_path, "../../etc/passwd")
