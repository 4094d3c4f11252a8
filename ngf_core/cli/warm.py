"""Every page drawn once before a shared server listens."""

import logging
import sys
import time
from importlib import import_module
from os import environ
from unittest.mock import patch

from ngf_core.paths import shipped

SECONDS = 120.0  # that all pages together may take


def warm_up() -> None:
    """Draw each page for nobody: what it imports and what it makes once for all sessions is there
    when a class comes. It takes some fifteen seconds, and up to a minute beside other work.

    Streamlit's own headless runner draws, which shares imports and caches with the server of the
    process. It is admitted without a token. A page that fails here fails again for its visitors,
    with a message, and after `SECONDS` the rest is left to them: the server starts nevertheless.
    """
    entry = shipped("streamlit_app.py")
    sys.path.insert(0, str(entry.parent))  # where the server's own pages look
    logging.disable(logging.WARNING)  # Streamlit warns of caches without a server
    end = time.monotonic() + SECONDS
    visitor = import_module("streamlit.testing.v1").AppTest.from_file(str(entry))
    with patch.dict(environ, NGF_TOKEN=""):
        for page in sorted(shipped("app", "views").glob("[a-z]*.py")):
            try:
                visitor.switch_page(f"app/views/{page.name}").run(
                    timeout=max(0.1, end - time.monotonic()))
            except RuntimeError:  # what AppTest raises when its time is up
                break
    logging.disable(logging.NOTSET)
