"""What a shared server draws before it listens is there for its first visitor."""

import subprocess
import sys

EARLY = """
import json, sys
from ngf_core.cli.warm import warm_up
from ngf_core.paths import shipped
warm_up()
before = set(sys.modules)
from app.read.once import _once
from streamlit.testing.v1 import AppTest
from unittest.mock import patch

def late(*told):
    raise AssertionError("made again")

app = AppTest.from_file(str(shipped("streamlit_app.py")), default_timeout=60)
app.switch_page("app/views/claim.py")
with patch("app.figures.claim.ratio_panels.__code__", late.__code__):
    app.run()
print(json.dumps([[e.message for e in app.exception], [t.value for t in app.title],
                  sorted(set(sys.modules) - before)]))
"""
