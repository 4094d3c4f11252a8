"""The worker's pen: what is written is what is read, whole or not at all."""

import builtins
import errno
import hashlib
import math
import os
import threading

import numpy as np
import pandas as pd
import pytest
import torch

from ngf_core.config import TrainConfig
from ngf_core.errors import RunError
from ngf_core.runs import Cancelled, DiskFull, RunWriter
from ngf_core.runs import disk as disk_module
from ngf_core.runs import writer as writer_module
from ngf_core.runs.events import curves
from ngf_core.runs.manifest import git_state
from tests.support.fabricated_runs import make_run


@pytest.fixture
def writer(store) -> RunWriter:
    writer = RunWriter(store.create(TrainConfig()))
    writer.begin(threads=2)
    return writer


def test_states_from_queued_to_done(store):
    run = store.create(TrainConfig())
    writer, seen = RunWriter(run), [run.state]
    writer.wait("waiting for another; position 1")
    assert (run.state, run.message) == ("queued", "waiting for another; position 1")
    writer.begin(threads=2)
    writer.note(device="cpu", data_sha="ab")
    assert (run.state, run.message) == ("running", "")
    writer.finish({"train": {"acc": {"hits": 1, "n": 2}}})
    seen += [e["state"] for e in run.events()[0] if e["type"] == "state"]
    assert seen == ["queued", "queued", "running", "done"]
    manifest = run.manifest
    assert (manifest["device"], manifest["threads"], manifest["data_sha"]) == ("cpu", 2, "ab")
    assert manifest["created"] <= manifest["started"] <= manifest["finished"]
    assert manifest["git"] == git_state() and not run.has("curves.parquet")
    assert run.results == {"train": {"acc": {"hits": 1, "n": 2}}}


def test_a_run_that_ends_early_notes_when(writer):
    reserve = writer.path / ".reserve"
    assert reserve.stat().st_size == 64 * 1024  # room for the last message on a full disk
    writer.fail("no memory")
    manifest = writer.run.manifest
    assert manifest["started"] <= manifest["finished"] and not reserve.exists()


def test_note_takes_no_other_entry(writer):
    with pytest.raises(TypeError, match="hostname"):
        writer.note(hostname="here")


def test_tensors_and_arrays_come_back_bit_for_bit(writer):
    base = torch.arange(24, dtype=torch.float32).reshape(1, 2, 3, 4)
    tensors = {"last": base.contiguous(memory_format=torch.channels_last), "view": base[0, 0],
               "half": base.half(), "count": torch.tensor(3), "grad": base.requires_grad_()}
    arrays = {"a.b": np.float16([1.5, np.nan]), "names": np.array(["before", "ngf"]),
              "number": 3.0}
    writer.tensors("model", tensors)
    writer.arrays("spectrum.npz", arrays)
    loaded = writer.run.tensors("model.safetensors")
    assert loaded.keys() == tensors.keys()
    tensors["half"] = base  # small whole numbers, which half precision holds exactly
    assert all(torch.equal(loaded[k], tensors[k]) and loaded[k].dtype == tensors[k].dtype
               for k in tensors)
    found = writer.run.arrays("spectrum")
    assert found.keys() == arrays.keys() and found["names"].tolist() == ["before", "ngf"]
    assert found["a.b"].dtype == np.float16 and math.isnan(found["a.b"][1])
    assert writer.run.has("model") and writer.run.has("spectrum.npz")
    assert not writer.run.has("spec")


def test_no_pickle(writer):
    with pytest.raises(TypeError, match="holds Python objects"):
        writer.arrays("samples", {"x": np.array([{}], dtype=object)})


def test_checksums_are_those_of_the_files(store):
    run = make_run(store, "purify")
    files = run.manifest["files"]
    assert {"before.safetensors", "after_ngf.safetensors", "path_sgd.npz", "samples.npz",
            "curves.parquet", "events.jsonl"} == set(files) - {"after_sgd.safetensors",
                                                               "path_ngf.npz"}
    for name, sha in files.items():
        assert hashlib.sha256((run.path / name).read_bytes()).hexdigest() == sha
    assert not (run.path / ".reserve").exists()


def test_a_damaged_or_missing_file_is_named(store):
    run = make_run(store, "purify")
    weights = run.path / "after_ngf.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(RunError, match=f"after_ngf.safetensors of run {run.id} is damaged"):
        run.tensors("after_ngf")
    (run.path / "path_ngf.npz").unlink()
    with pytest.raises(RunError, match="has no file path_ngf.npz .its state is done"):
        run.arrays("path_ngf")


def test_a_cut_file_of_a_live_run_is_damaged(writer):
    writer.arrays("samples", {"x": np.arange(100)})
    path = writer.path / "samples.npz"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(RunError, match="samples.npz .* is damaged"):
        writer.run.arrays("samples")


def test_the_curves_on_disk_are_the_points_written(store):
    run = make_run(store, "purify", methods=("sgd", "finetune"))
    from_file = run.points()
    pd.testing.assert_frame_equal(from_file, curves(run.events()[0]))
    assert from_file.groupby("metric").size()[["acc", "asr", "ra", "loss"]].tolist() == [2 * 21] * 4
    assert from_file["method"].unique().tolist() == ["sgd", "finetune"]
    last = from_file[(from_file.method == "sgd") & (from_file.metric == "asr")].iloc[-1]
    rate = run.results["sgd"]["asr"]
    assert (last["value"], last["n"]) == (rate["hits"] / rate["n"], rate["n"])
    predictions = run.predictions()
    assert len(predictions) == 42 and len(predictions[0]["predictions"]["clean"]) == 8


def test_eta_follows_the_pace_and_leaves_out_pauses(writer, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(writer_module.time, "monotonic", lambda: now[0])

    def eta_at(seconds: float, done: int, total: int) -> float | None:
        now[0] = seconds
        writer.progress(done, total, "")
        return writer.run.progress()["eta"]

    assert eta_at(100.0, 0, 10) is None
    assert eta_at(104.0, 2, 10) == 16.0
    (writer.path / "pause").touch()
    monkeypatch.setattr(writer_module.time, "sleep", lambda _: (now.__setitem__(0, 164.0),
                                                               (writer.path / "pause").unlink()))
    assert writer.checkpoint() == 60.0
    assert eta_at(168.0, 4, 10) == 12.0
    assert eta_at(170.0, 5, 20) is None, "another total is another count"
    assert eta_at(172.0, 7, 20) == 13.0
    assert eta_at(173.0, 6, 20) is None, "and so is a count that falls"
    assert eta_at(175.0, 7, 20) == 26.0
    writer.progress(1, 5, "", eta=7.0)
    assert writer.run.progress()["eta"] == 7.0


def test_checkpoint_passes_waits_and_cancels(writer):
    assert writer.checkpoint() == 0.0
    writer.run.pause()
    assert writer.run.paused
    outcome: list[object] = []

    def next_step() -> None:
        try:
            outcome.append(writer.checkpoint())
        except Cancelled:
            outcome.append("cancelled")

    for ask, answer in ((writer.run.resume, float), (writer.run.cancel, str)):
        writer.run.pause()
        thread = threading.Thread(target=next_step)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive() and not outcome
        ask()
        thread.join(10)
        assert isinstance(outcome.pop(), answer)


def test_a_finished_run_cannot_be_cancelled_or_paused(store):
    run = make_run(store, "train")
    for act, verb in ((run.cancel, "cancelled"), (run.pause, "paused"), (run.resume, "resumed")):
        with pytest.raises(RunError, match=f"cannot be {verb}: it is already done"):
            act()
    assert not (run.path / "cancel").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_ends_in_a_sentence_and_keeps_what_was_there(writer, monkeypatch, number):
    writer.point("ngf", 1, 0.1, {"acc": 0.5}, {"acc": 10})
    writer.arrays("samples", {"x": np.arange(3)})
    kept = (writer.path / "samples.npz").read_bytes()

    def refuse(_descriptor: int) -> None:
        raise OSError(number, "no room")

    monkeypatch.setattr(disk_module.os, "fsync", refuse)
    with pytest.raises(DiskFull, match="The disk is full: samples.npz could not be written. Free "
                                       "some space and start again or go on; everything computed "
                                       "so far is kept.") as full:
        writer.arrays("samples", {"x": np.arange(999)})
    assert (writer.path / "samples.npz").read_bytes() == kept
    assert not list(writer.path.glob(".samples*"))
    monkeypatch.undo()
    writer.fail(str(full.value))
    assert writer.run.state == "failed" and writer.run.message.startswith("The disk is full")
    assert len(writer.run.points()) == 1
    assert not (writer.path / ".reserve").exists()


def test_each_text_of_the_log_ends_a_line(writer):
    writer.log("Traceback\n")
    writer.log("Traceback")
    assert (writer.path / "log.txt").read_text() == "Traceback\nTraceback\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_is_told_of_the_log_too(writer):
    (writer.path / "log.txt").symlink_to("/dev/full")
    with pytest.raises(DiskFull, match="The disk is full: log.txt could not be written"):
        writer.log("Traceback")


def test_other_disk_errors_pass_as_they_are(writer, monkeypatch):
    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(builtins, "open", refuse)
    with pytest.raises(PermissionError):
        disk_module.replace_file(writer.path / "x", b"")


def test_the_manifest_is_written_last(writer, monkeypatch):
    """A crash before the last write leaves a run that is not done, whatever files there are."""
    order: list[str] = []
    replace = disk_module.os.replace
    monkeypatch.setattr(disk_module.os, "replace",
                        lambda a, b: (order.append(b.name), replace(a, b)))
    writer.point("ngf", 1, 0.1, {"acc": 0.5}, {"acc": 10})
    writer.finish({})
    assert order == ["curves.parquet", "manifest.json"]
