"""Names from outside never become paths."""

import pytest

from ngf_core.data.dataset import find_source, load_dataset
from ngf_core.errors import ConfigError, RunError
from ngf_core.imports.reading import _places
from ngf_core.imports.take_in import plain_name
from ngf_core.runs import RunStore

LEADING_OUT = ("../outside", "..", "/etc", "a/b", "a\\b", "a\0b", ".hidden", "", "x" * 500, "A",
               "~", "a\n")


@pytest.mark.parametrize("name", LEADING_OUT)
def test_the_id_of_a_run(tmp_path, name):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "manifest.json").write_text("{}")
    store = RunStore(tmp_path / "runs", tmp_path / "shipped")
    store.prepare()
    with pytest.raises(RunError, match="There is no run"):
        store.find(name)


@pytest.mark.parametrize("name", ["../../x.pt", "/etc/passwd", "a/../../b.pt", "C:\\x\\y.pt", "..",
                                  "a\nb.pt", "\x1b[2J.pt", "![x](y).pt", "x" * 500])
def test_the_name_of_an_upload_is_text(name):
    plain = plain_name(name)
    assert "/" not in plain and "\\" not in plain and len(plain) <= 80
    assert not set("[]()<>\n\x1b") & set(plain)


def test_the_key_of_a_state_dict(tmp_path):
    for key in ("../../x", "/etc/passwd", "a\0b"):
        for place in _places(tmp_path, "0" * 64, key):
            assert place.parent == tmp_path and len(place.name) < 100


@pytest.mark.parametrize("name", ["../signs", "/etc", "folder/../signs", "a\0b"])
def test_the_name_of_a_data_set(name):
    with pytest.raises(ConfigError, match="is unknown"):
        load_dataset(name)
    with pytest.raises(KeyError):
        find_source(name)
