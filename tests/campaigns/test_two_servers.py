"""Two real servers over one store of runs."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ngf_core.config import TrainConfig
from ngf_core.runs import jobs
from ngf_core.runs.manifest import change_manifest
from tests.browser.server import Server, started
from tests.campaigns.session import Drawn, session
from tests.campaigns.watched import orphans
from tests.support.waiting import until

AGAIN = "Start it again"


@pytest.fixture
def servers(tmp_path):
    running = [started(tmp_path, tmp_path / f"log{number}") for number in range(2)]
    yield [server for server, _ in running]
    for _, process in running:
        process.terminate()
        process.wait(30)
    for run in jobs.live(running[0][0].store):
        if not run.shipped:
            jobs.cancel(run).join()


def pressed(server: Server, run_id: str, label: str) -> Drawn:
    with session(server.url) as tab:
        page = tab.open("runs", {"run": run_id})
        return tab.open("runs", {"run": run_id}, press=page.button(label))


def test_one_run_computes_at_a_time_and_either_server_stops_it(servers):
    store = servers[0].store
    store.prepare()
    lost = [store.create(TrainConfig(dataset="digits", attack="none", limit=50, epochs=200,
                                     seed=seed)) for seed in range(2)]
    for run in lost:
        change_manifest(run.path, state="running", pid=2**22 + 1, pid_started=1.0)
    with ThreadPoolExecutor() as both:
        drawn = list(both.map(lambda pair: pressed(*pair, AGAIN),
                              [(servers[0], lost[0].id), (servers[1], lost[1].id)]))
    assert [page.exceptions for page in drawn] == [[], []]
    new = [run for run in jobs.live(store) if not run.shipped]
    assert len(new) == 2
    until(lambda: sorted(run.state for run in new) == ["queued", "running"] and any(
        run.message == "Place 1 of 1." for run in new), seconds=60)
    first, second = sorted(new, key=lambda run: run.state != "running")
    for server in servers:  # each shows what the other one started
        with session(server.url) as tab:
            for run in new:
                assert tab.open("runs", {"run": run.id}).exceptions == []
    others = servers[::-1] if first.config.seed == 0 else servers
    assert pressed(others[0], first.id, "Cancel").exceptions == []
    until(lambda: first.state == "cancelled" and second.state == "running", seconds=60)
    assert orphans(first.manifest["pid"]) == []
    jobs.cancel(second).join()
    assert [server.traces() for server in servers] == ["", ""]
