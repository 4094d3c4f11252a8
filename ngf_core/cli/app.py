"""`python -m ngf_core app`: the dashboard, served by Streamlit from the installed package."""

import argparse
import contextlib
import os
import signal
import socket
import sys
import tomllib
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ngf_core.cli.warm import warm_up
from ngf_core.errors import NGFError
from ngf_core.paths import shipped
from ngf_core.runs.server_settings import server_settings

PROGRAM = "streamlit run"
HOSTS = "--server.allowedHosts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments are added: `others` on the command line are Streamlit's."""
    parser.usage = "%(prog)s [-h] [OPTIONS OF STREAMLIT]"
    parser.epilog = ("All other options are those of `streamlit run`, for example "
                     "--server.port 8600 --server.headless true.\n" + hosts_note([]))


def run(arguments: argparse.Namespace) -> int:
    """Serve until it is stopped; Streamlit ends the process, with 2 for options that it refuses.

    Raises NGFError where a required package is missing.
    """
    missing = [name for name in ("streamlit", "plotly") if find_spec(name) is None]
    if missing:
        raise NGFError(f"The dashboard needs {' and '.join(missing)}, not installed here. "
                       "`pip install 'ngf-lab[app]'` installs what is missing.")
    note = hosts_note(arguments.others)
    if note:
        print(note, file=sys.stderr)
    serve = import_module("streamlit.web.cli").main_run  # the core works without it
    words = [str(shipped("streamlit_app.py")), *arguments.others]
    if server_settings().shared:
        _prepare(serve, words)
    serve.main(words, prog_name=PROGRAM)
    return 0


def _prepare(serve: Any, words: list[str]) -> None:
    """Draw every page with the options to come; what Streamlit refuses of them it refuses later.

    A port in use is told before that, and SIGTERM ends the process, also where it is the first one
    of a container, for which the system's own answer is none.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    refused = import_module("click").exceptions
    with contextlib.suppress(refused.ClickException, refused.Exit):
        given = serve.make_context(PROGRAM, list(words)).params
        flags = {name: value for name, value in given.items() if name not in ("target", "args")}
        import_module("streamlit.web.bootstrap").load_config_options(flags)
        _check_port(import_module("streamlit.config"))
        print("Drawing every page once; the server answers in about half a minute.",
              file=sys.stderr, flush=True)
        warm_up()


def _check_port(config: Any) -> None:
    """Raise NGFError where the port that was asked for is taken; else Streamlit looks for one."""
    host, port = config.get_option("server.address") or "", config.get_option("server.port")
    if not config.is_manually_set("server.port") or ":" in host:
        return
    try:
        socket.create_server((host, port)).close()
    except OSError as trouble:
        why = os.strerror(trouble.errno) if trouble.errno else trouble
        raise NGFError(f"The server cannot listen on port {port} ({why}). Stop what uses it, or "
                       "name another: --server.port 8600.") from None


def hosts_note(options: Sequence[str]) -> str:
    """Under which host names the dashboard answers, and how to add one; "" where the options name
    some.

    Streamlit refuses the connection of a page opened under another name, and the page, which is
    Streamlit's own until it is connected, stays empty without a word.
    """
    if any(word.partition("=")[0] == HOSTS for word in options):
        return ""
    settings = shipped(".streamlit", "config.toml").read_text(encoding="utf-8")
    names = tomllib.loads(settings)["server"]["allowedHosts"]
    wider = " ".join(f"{HOSTS} {name}" for name in (*names, "NAME"))
    return (f"The dashboard answers under {' and '.join(names)}; under any other host name the "
            f"page stays empty. To add NAME: {wider}. To be reached from other "
            "machines, add --server.address 0.0.0.0; behind a proxy that changes the name, add "
            "--server.corsAllowedOrigins https://NAME.")
