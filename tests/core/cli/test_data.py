"""`python -m ngf_core data`."""

import pytest

from ngf_core.cli.main import main
from ngf_core.data import DATASETS
from tests.support import dataset_files


def test_the_list_says_what_is_there(root, capsys):
    dataset_files.mnist(root)
    assert main(["data", "list", "--root", str(root)]) == 0
    out = capsys.readouterr().out
    lines = {line.split()[0]: line for line in out.splitlines()[1:] if line}
    assert set(DATASETS) <= set(lines)
    assert "ships" in lines["signs"] and lines["mnist"].endswith(str(root / "MNIST" / "raw"))
    assert "not here" in lines["cifar10"] and "170 MB" in lines["cifar10"]
    assert lines["cifar10"].split()[2:8] == ["47,500", "10,000", "10", "3", "x", "32²"]
    assert "1,000" in lines["imagenet"] and "any" in lines["folder"]
    assert f"looked for in {root}" in out and "decoded images take 0.0 GB" in out


def test_fetching_what_is_there_says_so(root, capsys, monkeypatch):
    dataset_files.svhn(root, monkeypatch)
    assert main(["data", "download", "svhn", "--root", str(root)]) == 0
    output = capsys.readouterr()
    assert "SVHN (246 MB) into" in output.err and f"SVHN is in {root}." in output.out


@pytest.mark.parametrize(("words", "says"), [
    (["data", "download", "imagenet"], "ImageNet is not downloaded. ImageNet (ILSVRC 2012)"),
    (["data", "download", "signs"], "It ships with NGF Lab."),
    (["data", "download", "nothing"], "'nothing' is unknown. Choose one of cifar10")])
def test_what_cannot_be_fetched_is_exit_code_2(root, capsys, words, says):
    assert main([*words, "--root", str(root)]) == 2
    assert says in capsys.readouterr().err
