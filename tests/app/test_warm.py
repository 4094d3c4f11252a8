"""A shared server imports what pages import late before anybody waits for it; another does not."""

import subprocess
import sys
from importlib import import_module

import pytest

from app import warm

DRAWN = """
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("streamlit_app.py", default_timeout=100)
app.switch_page("app/views/runs.py").run()
assert not app.exception
print([name for name in {late} if name not in sys.modules])
"""


@pytest.mark.parametrize("name", warm.LATE)
def test_what_is_imported_exists(name):
    import_module(name)


@pytest.mark.parametrize("shared, missing", [("1", []), ("0", list(warm.LATE))])
def test_only_a_shared_server_imports_early(shared, missing, tmp_path, monkeypatch):
    monkeypatch.setenv("NGF_SHARED", shared)
    monkeypatch.setenv("NGF_RUNS", str(tmp_path))
    told = subprocess.run([sys.executable, "-c", DRAWN.format(late=warm.LATE)], check=True,
                          capture_output=True, text=True, timeout=120)
    assert told.stdout.strip() == str(missing)
