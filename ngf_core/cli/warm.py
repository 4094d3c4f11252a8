"""Every page drawn once before a shared server listens."""

import contextlib
import logging
import sys
from importlib import import_module
from os import environ
from unittest.mock import patch

from ngf_core.paths import shipped

SECONDS = 120.0  # that a page may take


def warm_up() -> None:
    """Draw each page for nobody: what it imports and what it makes once for all sessions is there
    when a class comes. It takes some fifteen seconds.

    Streamlit's own headless runner draws, which shares imports and caches with the server of the
    process. It is admitted without a token. A page that fails here, or takes longer than
    `SECONDS`, does so again for its visitors, with a message; the server starts nevertheless.
    """
    entry = shipped("streamlit_app.py")
    sys.path.insert(0, str(entry.parent))  # where the server's own pages look
    visitor = import_module("streamlit.testing.v1").AppTest.from_file(
        str(entry), default_timeout=SECONDS)
    logging.disable(logging.WARNING)  # Streamlit warns of caches without a server
    with patch.dict(environ, NGF_TOKEN=""):
        for page in sorted(shipped("app", "views").glob("[a-z]*.py")):
            with contextlib.suppress(RuntimeError):  # what AppTest raises when time is up
                visitor.switch_page(f"app/views/{page.name}").run()
    logging.disable(logging.NOTSET)
