"""What a shared server draws before it listens is there for its first visitor."""

import json
import os
import subprocess
import sys

EARLY = """
import json, os, sys
from unittest.mock import patch
from ngf_core.cli.warm import warm_up
from ngf_core.paths import shipped
warm_up()
token, imported = os.environ.pop("NGF_TOKEN"), set(sys.modules)
from streamlit.testing.v1 import AppTest
app = AppTest.from_file(str(shipped("streamlit_app.py")), default_timeout=60)
with patch("app.figures.claim._ratio_panel", None):  # another figure could not be made
    app.switch_page("app/views/claim.py").run()
print(json.dumps([token, [title.value for title in app.title],
                  [found.value for found in (*app.exception, *app.error)],
                  sorted(set(sys.modules) - imported)]))
"""


def test_the_first_visitor_waits_for_no_import_and_no_figure(tmp_path):
    settings = {"NGF_RUNS": str(tmp_path), "NGF_TOKEN": "sesame"}
    told = subprocess.run([sys.executable, "-c", EARLY], env=os.environ | settings, check=True,
                          capture_output=True, text=True, timeout=200)
    assert json.loads(told.stdout) == ["sesame", ["Sharpness claim"], [], []]
    assert list(tmp_path.iterdir()) == []
