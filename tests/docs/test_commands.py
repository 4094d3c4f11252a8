"""Every command in the documents is one that the parser takes."""

import shlex

import pytest
from streamlit import config

from ngf_core.cli.main import _parser
from tests.docs.pages import PAGES, blocks, name

COMMANDS = [(name(page), line) for page in PAGES for code in blocks(page, "bash")
            for line in code.splitlines() if line.startswith(("ngf ", "python -m ngf_core "))]


def test_there_are_commands_of_every_kind():
    kinds = {line.removeprefix("python -m ngf_core ").removeprefix("ngf ").split()[0]
             for _, line in COMMANDS}
    assert kinds >= {"train", "purify", "spectrum", "landscape", "layers", "runs", "data", "zoo",
                     "attacks", "benchmark", "audit", "inside"}


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_parses(page, line):
    words = shlex.split(line, comments=True)
    words = words[1:] if words[0] == "ngf" else words[3:]
    options, others = _parser(words).parse_known_args(words)
    assert callable(options.command)
    if words[0] == "app":  # what is left is Streamlit's
        named = {word.removeprefix("--") for word in others if word.startswith("--")}
        assert named <= set(config._config_options_template)
    else:
        assert others == []


def test_a_command_that_does_not_exist_is_refused(capsys):
    with pytest.raises(SystemExit):
        _parser(["purify"]).parse_args(["purify", "latest", "--no-such-setting", "1"])
    assert "--no-such-setting" in capsys.readouterr().err
