"""`python -m ngf_core app`."""

import sys

import pytest

from ngf_core.cli import app, main
from ngf_core.paths import checkout


@pytest.fixture
def served(monkeypatch) -> list[list[str]]:
    """What Streamlit was asked, which does nothing here."""
    asked: list[list[str]] = []
    monkeypatch.setattr(app.subprocess, "call", lambda words: asked.append(words) or 3)
    return asked


def test_it_serves_the_dashboard_with_streamlits_options(served):
    options = ["--server.port", "8600", "--server.headless", "true"]
    assert main.main(["app", *options]) == 3
    assert served == [[sys.executable, "-m", "streamlit", "run",
                       str(checkout() / "streamlit_app.py"), *options]]


def test_without_streamlit_it_says_what_to_install(served, monkeypatch, capsys):
    monkeypatch.setattr(app, "find_spec", lambda name: None if name == "plotly" else object())
    assert main.main(["app"]) == 2 and served == []
    assert capsys.readouterr().err == ("The dashboard needs plotly, not installed here. "
                                       "`pip install 'ngf-lab[app]'` installs what is missing.\n")


def test_its_help_is_its_own(served, capsys):
    with pytest.raises(SystemExit, match="0"):
        main.main(["app", "--help"])
    assert "--server.port 8600" in capsys.readouterr().out and served == []
