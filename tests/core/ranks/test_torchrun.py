"""Where a process stands among the ranks, and the commands that start them."""

import os
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch

from ngf_core.errors import ConfigError, NGFError
from ngf_core.ranks import torchrun
from ngf_core.ranks.group import Ranks, is_lost
from ngf_core.ranks.torchrun import Place, check_ranks, place, started_by_torchrun

TOLD = {"TORCHELASTIC_RUN_ID": "1", "RANK": "5", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}
ONLY = {"TORCHELASTIC_RUN_ID": "1", "RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}


@pytest.mark.parametrize(("told", "where"), [
    (TOLD, Place(5, 8, 2)), (ONLY, None), ({"RANK": "5", "WORLD_SIZE": "8"}, None), ({}, None)])
def test_the_place_of_a_process(monkeypatch, told, where):
    for name in TOLD:
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert place() == where


def test_the_command_starts_the_module_once_per_device():
    command = started_by_torchrun((sys.executable, "-m", "some.module", "folder"), 4)
    assert command[:3] == (sys.executable, "-m", "torch.distributed.run")
    assert command[-5:] == ("--nproc-per-node", "4", "-m", "some.module", "folder")
    told = torchrun.told_for_nodes("some.module", "folder", 4, 2)
    assert told.startswith("torchrun --nnodes 2 --nproc-per-node 4 ")
    assert told.endswith(" -m some.module folder")


def of(rank: int, count: int) -> Ranks:
    return Ranks(SimpleNamespace(global_rank=rank, world_size=count))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [0, 1, 4, 5, 11])
def test_shares_are_consecutive_complete_and_even(n, count):
    shares = [of(rank, count).share(n) for rank in range(count)]
    assert [i for share in shares for i in range(n)[share]] == list(range(n))
    sizes = [share.stop - share.start for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert [of(0, count).share(n, rank) for rank in range(count)] == shares


@pytest.mark.parametrize(("devices", "nodes", "field"), [
    (0, 1, "devices"), ("many", 1, "devices"), (1, 0, "nodes"), (1.5, 1, "devices")])
def test_numbers_that_cannot_be(devices, nodes, field):
    with pytest.raises(ConfigError, match="Use a whole number from 1 on") as error:
        check_ranks(devices, nodes, 8)
    assert error.value.field == field


def test_more_than_there_are(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    check_ranks(8, 1, 8)
    with pytest.raises(ConfigError, match="9 are more than the 8 cores that may be used here"):
        check_ranks(9, 1, 8)
    with pytest.raises(ConfigError, match="2 are more than the 1 core that may be used here"):
        check_ranks(2, 1, 1)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match="3 are more than the 2 GPUs here. Use fewer"):
        check_ranks(3, 1, 8)
    check_ranks(3, 2, 8)  # of other machines


def test_one_device_needs_nothing(monkeypatch):
    monkeypatch.setattr(torchrun, "find_spec", lambda name: None)
    check_ranks(1, 1, 1)
    with pytest.raises(NGFError, match=r"pip install 'ngf-lab\[cluster\]'"):
        check_ranks(2, 1, 8)


def test_without_torch_distributed(monkeypatch):
    monkeypatch.setattr(torchrun, "find_spec", find_spec if find_spec("lightning_fabric")
                        else lambda name: True)
    monkeypatch.setattr(torch.distributed, "is_available", lambda: False)
    with pytest.raises(NGFError, match="built without torch.distributed"):
        check_ranks(2, 1, os.cpu_count() or 1)


@pytest.mark.parametrize(("error", "lost"), [
    (RuntimeError("[pair.cc:553] Connection closed by peer [127.0.0.1]:48282."), True),
    (torch.distributed.DistBackendError("NCCL communicator was aborted"), True),
    (RuntimeError("shapes do not fit"), False), (NGFError("Connection closed by peer"), False),
    (MemoryError(), False)])
def test_what_says_that_another_rank_is_gone(error, lost):
    assert is_lost(error) is lost
