"""`python -m ngf_core app`: the dashboard, served by Streamlit from wherever it is installed."""

import argparse
import subprocess
import sys
from importlib.util import find_spec

from ngf_core.errors import NGFError
from ngf_core.paths import shipped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own: `others` on the command line are Streamlit's."""
    parser.usage = "%(prog)s [-h] [OPTIONS OF STREAMLIT]"
    parser.epilog = ("All other options are those of `streamlit run`, for example "
                     "--server.port 8600 --server.headless true.")


def run(arguments: argparse.Namespace) -> int:
    """Serve until it is stopped. Raises NGFError where something that it needs is missing."""
    missing = [name for name in ("streamlit", "plotly") if find_spec(name) is None]
    if missing:
        raise NGFError(f"The dashboard needs {' and '.join(missing)}, not installed here. "
                       "`pip install 'ngf-lab[app]'` adds what is missing.")
    return subprocess.call([sys.executable, "-m", "streamlit", "run",
                            str(shipped("streamlit_app.py")), *arguments.others])
