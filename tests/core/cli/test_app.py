"""`python -m ngf_core app`."""

import signal
import socket
import subprocess
import sys
import tomllib
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from streamlit import config
from streamlit.web.cli import main_run
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from ngf_core.cli import app, main
from ngf_core.errors import NGFError
from ngf_core.paths import checkout


@pytest.fixture
def served(monkeypatch) -> list[list[str]]:
    """What Streamlit was asked, which does nothing here."""
    asked: list[list[str]] = []
    monkeypatch.setattr(main_run, "main", lambda words, prog_name: asked.append(words))
    return asked


def test_it_serves_the_dashboard_with_streamlits_options(served, capsys):
    options = ["--server.port", "8600", "--server.headless", "true"]
    assert main.main(["app", *options]) == 0
    assert served == [[str(checkout() / "streamlit_app.py"), *options]]
    assert "under localhost and 127.0.0.1; under any other host" in capsys.readouterr().err


@pytest.mark.parametrize("shared, early", [("1", 1), ("0", 0)])
def test_only_a_shared_server_draws_its_pages_early(shared, early, served, monkeypatch):
    drawn: list[int] = []
    monkeypatch.setattr(app, "warm_up", lambda: drawn.append(len(served)))
    monkeypatch.setenv("NGF_SHARED", shared)
    before = signal.getsignal(signal.SIGTERM)
    assert main.main(["app"]) == 0 and served
    signal.signal(signal.SIGTERM, before)
    assert drawn == [0] * early  # before it listens


@pytest.mark.parametrize("asked", [True, False])
def test_a_port_in_use_is_told_before_the_pages_are_drawn(asked):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = {"server.address": "127.0.0.1", "server.port": taken.getsockname()[1]}
        config = SimpleNamespace(get_option=options.get, is_manually_set=lambda name: asked)
        refused = pytest.raises(NGFError, match=r"listen on port \d+ \(Address already in use\)")
        with refused if asked else nullcontext():  # else Streamlit takes the next one
            app._check_port(config)


def test_a_term_while_the_pages_are_drawn_ends_the_server(served, monkeypatch):
    """Python's own answer to SIGTERM is none where the process is the first of a container."""
    monkeypatch.setenv("NGF_SHARED", "1")
    monkeypatch.setattr(app, "warm_up", lambda: signal.raise_signal(signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit, match="143"):
            main.main(["app"])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert served == []


@pytest.mark.parametrize(("process", "ends"), [(1, 128 + signal.SIGTERM), (2, -signal.SIGTERM)])
def test_the_first_process_of_a_container_ends_by_a_term_before_it_imports_more(process, ends):
    code = f"""
import os, runpy, signal, sys
os.getpid = lambda: {process}
sys.modules["ngf_core.cli.main"] = None  # its import fails
try:
    runpy.run_module("ngf_core", run_name="__main__")
except ImportError:
    signal.raise_signal(signal.SIGTERM)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == ends


def test_the_note_on_host_names_holds_for_streamlit(monkeypatch):
    """The options that it gives allow the name, and without them Streamlit refuses it."""
    allowed = tomllib.loads((checkout() / ".streamlit/config.toml").read_text())["server"]
    monkeypatch.setattr(config, "get_option", {"server.allowedHosts": allowed["allowedHosts"]}.get)
    assert is_host_allowed("localhost:8501") and not is_host_allowed("lab.example.org:8501")
    words = app.hosts_note([]).partition("To add NAME: ")[2].partition(". To be")[0].split()
    given = [name.replace("NAME", "lab.example.org") for name in words[1::2]]
    assert set(words[::2]) == {"--server.allowedHosts"}
    monkeypatch.setattr(config, "get_option", {"server.allowedHosts": given}.get)
    assert is_host_allowed("localhost:8501") and is_host_allowed("lab.example.org:8501")
    for option in ("server.allowedHosts", "server.corsAllowedOrigins", "server.address"):
        assert f"--{option} " in app.hosts_note([]) and option in config._config_options_template


@pytest.mark.parametrize("words", ["--server.allowedHosts lab", "--server.allowedHosts=lab"])
def test_who_names_hosts_is_told_nothing(words, served, capsys):
    main.main(["app", *words.split()])
    assert capsys.readouterr().err == "" and served


def test_without_streamlit_it_says_what_to_install(served, monkeypatch, capsys):
    monkeypatch.setattr(app, "find_spec", lambda name: None if name == "plotly" else object())
    assert main.main(["app"]) == 2 and served == []
    assert capsys.readouterr().err == ("The dashboard needs plotly, not installed here. "
                                       "`pip install 'ngf-lab[app]'` installs what is missing.\n")


def test_its_help_is_its_own(served, capsys):
    with pytest.raises(SystemExit, match="0"):
        main.main(["app", "--help"])
    assert "--server.port 8600" in capsys.readouterr().out and served == []
