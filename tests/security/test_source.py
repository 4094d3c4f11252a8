"""What the source may not hold: unpickling, HTML of data, paths of a stranger's choosing."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [path for top in ("app", "ngf_core") for path in (ROOT / top).rglob("*.py")] + [
    ROOT / "streamlit_app.py"]
# The only files that may unpickle, and how: the reading process with an unpickler of its own.
UNPICKLES = {"ngf_core/imports/reader.py", "ngf_core/imports/unpickle.py"}
# Modules whose reading may run code.
UNSAFE = ("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve")


def calls(text: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))


def given(call: ast.Call, name: str) -> object:
    """The constant that a call gives for a keyword; None where it gives none."""
    return next((getattr(word.value, "value", ...) for word in call.keywords if word.arg == name),
                None)


def unpickling(text: str) -> list[str]:
    """The calls of a source that may run code of what they read."""
    found = []
    for node in ast.walk(ast.parse(text)):
        modules = ([node.module or ""] if isinstance(node, ast.ImportFrom)
                   else [each.name for each in node.names] if isinstance(node, ast.Import) else [])
        found += [f"import {name}" for name in modules if name.partition(".")[0] in UNSAFE]
        if isinstance(node, ast.ImportFrom) and node.module == "torch" and any(
                each.name == "load" for each in node.names):
            found.append("from torch import load")  # under a name that is not looked for below
    for call in calls(text):
        name = ast.unparse(call.func)
        if name in ("pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "dill.loads",
                    "pd.read_pickle", "torch.jit.load", "eval", "exec", "os.system",
                    "torch.hub.load", "marshal.loads", "shelve.open", "yaml.load"):
            found.append(name)
        if name == "torch.load" and given(call, "weights_only") is not True:
            found.append(name)
        if name.endswith("np.load") and given(call, "allow_pickle") not in (None, False):
            found.append(name)
        if given(call, "shell") is True:
            found.append(f"{name}(shell=True)")
    return found


def test_nothing_unpickles_but_the_reading_process():
    found = {path.relative_to(ROOT).as_posix(): unpickling(path.read_text(encoding="utf-8"))
             for path in SOURCES}
    assert len(found) > 250
    assert {name for name, calls in found.items() if calls} <= UNPICKLES
    assert found["ngf_core/imports/reader.py"] == ["torch.load"]


@pytest.mark.parametrize("text", [
    "import pickle\npickle.loads(x)", "torch.load(path)", "torch.load(p, weights_only=False)",
    "torch.load(p, weights_only=flag)", "np.load(p, allow_pickle=True)", "eval('1')",
    "subprocess.run(x, shell=True)", "from pickle import loads as _l\n_l(x)",
    "import dill as d", "from torch import load\nload(p)"])
def test_unpickling_is_found(text):
    assert unpickling(text)


def test_what_is_no_unpickling_is_not():
    assert not unpickling("torch.load(p, weights_only=True)\nnp.load(p)\nmodel.eval()")


def test_only_the_reader_is_given_to_another_process():
    """The server imports the reader's name alone; it runs where `aside` starts it."""
    importers = [path.relative_to(ROOT).as_posix() for path in SOURCES
                 if "imports.reader import" in path.read_text(encoding="utf-8")
                 or "unpickle import Pickles" in path.read_text(encoding="utf-8")]
    assert importers == ["ngf_core/imports/reader.py"]


def raw_html(text: str) -> list[str]:
    """Where a source hands HTML to the browser."""
    return [ast.unparse(call.func) for call in calls(text)
            if given(call, "unsafe_allow_html") not in (None, False)
            or given(call, "unsafe_allow_javascript") not in (None, False)
            or ast.unparse(call.func) in ("st.html", "components.html", "st.iframe")]


def test_no_page_hands_html_to_the_browser():
    found = {path.name: raw_html(path.read_text(encoding="utf-8")) for path in SOURCES
             if raw_html(path.read_text(encoding="utf-8"))}
    # The style sheet that lies beside the frame: a file of ours, without a word from outside.
    assert found == {"frame.py": ["st.html"]}
    frame = (ROOT / "app" / "frame.py").read_text(encoding="utf-8")
    assert "st.html(STYLE)" in frame and 'STYLE = Path(__file__).with_name("theme.css")' in frame
    assert raw_html("st.markdown(x, unsafe_allow_html=True)") and raw_html("st.html(x)")


def test_the_servers_settings():
    server = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())
    assert server["browser"]["gatherUsageStats"] is False
    assert server["server"]["enableXsrfProtection"] is True
    assert server["server"].get("enableCORS", True) is True
    assert server["server"]["maxUploadSize"] <= 256
    assert server["server"]["address"] == "127.0.0.1"
    assert set(server["server"]["allowedHosts"]) == {"localhost", "127.0.0.1"}
    assert server["client"]["showErrorDetails"] != "full"


def uploaders(text: str) -> list[bool]:
    """For each uploader of a source, whether it says how much it takes."""
    return [any(word.arg == "max_upload_size" for word in call.keywords) for call in calls(text)
            if ast.unparse(call.func) == "st.file_uploader"]


def test_every_uploader_has_a_limit():
    found = [limit for path in SOURCES for limit in uploaders(path.read_text(encoding="utf-8"))]
    assert len(found) >= 3 and all(found)
