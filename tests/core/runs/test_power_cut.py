"""What is on the disk between any two writes of a run can be read, and says what it is."""

import shutil

import pytest

from ngf_core.runs import Run, RunStore, disk, events, manifest, writer
from tests.campaigns.readings import TRACE, everything
from tests.support.fabricated_runs import make_run


@pytest.fixture
def cuts(store, tmp_path, monkeypatch) -> list[Run]:
    """A training that is done, and the same run as it was after each of its writes."""
    kept: list[Run] = []

    def keep_after(write):
        def kept_after(path, *arguments, **entries):
            write(path, *arguments, **entries)
            folder = path if path.is_dir() else path.parent
            if not folder.name.startswith("."):
                home = tmp_path / f"cut{len(kept)}"
                kept.append(Run(shutil.copytree(folder, home / folder.name)))
        return kept_after

    for module, name, write in ((manifest, "replace_file", disk.replace_file),
                                (writer, "replace_file", disk.replace_file),
                                (writer, "append_event", events.append_event)):
        monkeypatch.setattr(module, name, keep_after(write))
    done = make_run(store, "train", epochs=3)
    monkeypatch.undo()
    return [*kept, done]


def test_a_run_cut_off_between_any_two_writes_is_read(cuts):
    done = cuts[-1]
    whole = done.points()
    assert len(cuts) > 15
    for cut in cuts:
        # Nobody else computes it: after a power cut its worker is gone.
        manifest.change_manifest(cut.path, pid=2**22 + 1, pid_started=1.0)
        state, message = cut.status()
        assert state in ("lost", "done") and (state == "done" or "worker died" in message)
        answers = everything(cut)
        assert not [answer for answer in answers.values() if answer.kind == TRACE], answers
        found = cut.points()
        assert found.equals(whole.head(len(found)))
        assert RunStore(cut.path.parent).get(cut.id).state == state
    assert [cut.state for cut in cuts].count("done") == 2  # the last write, and the run itself


@pytest.mark.parametrize("left", [1, 20])
def test_a_line_that_was_not_written_to_its_end_is_left_out(cuts, left):
    cut = cuts[len(cuts) // 2]
    path = cut.path / "events.jsonl"
    before, content = cut.events()[0], path.read_bytes()
    end = content[:-1].rfind(b"\n") + 1
    path.write_bytes(content[:end + left])
    assert cut.events() == (before[:-1], end)
