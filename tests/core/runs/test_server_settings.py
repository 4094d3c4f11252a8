"""The environment's settings: read, checked, and obeyed by the store itself."""

import pytest

from ngf_core.config import TrainConfig
from ngf_core.errors import ConfigError, RunError
from ngf_core.runs import jobs
from ngf_core.runs.server_settings import ServerSettings, server_settings
from tests.support.fabricated_runs import make_run


def test_without_variables_nothing_is_limited_but_the_queue():
    assert server_settings() == ServerSettings(
        max_jobs=1, max_waiting=5, job_memory_gb=0, store_gb=0, shared=False, readonly=False,
        token="")


def test_each_field_has_its_variable(monkeypatch):
    for name, text in {"NGF_MAX_JOBS": "2", "NGF_MAX_WAITING": "3", "NGF_JOB_MEMORY_GB": "1.5",
                       "NGF_STORE_GB": "20", "NGF_SHARED": "yes", "NGF_READONLY": "1",
                       "NGF_TOKEN": " open sesame "}.items():
        monkeypatch.setenv(name, text)
    assert server_settings() == ServerSettings(2, 3, 1.5, 20.0, True, True, "open sesame")


@pytest.mark.parametrize(("name", "text", "says"), [
    ("NGF_MAX_JOBS", "many", "NGF_MAX_JOBS: 'many' is not a whole number. Use a number from 1"),
    ("NGF_MAX_JOBS", "0", "NGF_MAX_JOBS: 0 is out of range. Use a number from 1 to 64."),
    ("NGF_STORE_GB", "-1", "NGF_STORE_GB: -1.0 is out of range"),
    ("NGF_JOB_MEMORY_GB", "nan", "NGF_JOB_MEMORY_GB: nan is not a finite number"),
    ("NGF_READONLY", "perhaps", "NGF_READONLY: 'perhaps' is not true or false"),
])
def test_a_bad_value_names_its_variable(monkeypatch, name, text, says):
    monkeypatch.setenv(name, text)
    with pytest.raises(ConfigError) as refused:
        server_settings()
    assert str(refused.value).startswith(says)


def test_a_server_that_only_shows_refuses_every_change_at_the_store(store, monkeypatch):
    done, live = make_run(store, "train"), make_run(store, "train", state="running", seed=1)
    waits = store.create(TrainConfig(seed=2))
    monkeypatch.setenv("NGF_READONLY", "1")
    for change in (lambda: store.create(TrainConfig()), lambda: jobs.start(TrainConfig(), store),
                   lambda: jobs.start(TrainConfig(), store, "me"), lambda: jobs.launch(waits),
                   lambda: jobs.withdraw(live, "me"), lambda: jobs.cancel(live),
                   live.cancel, live.pause, live.resume, done.delete, done.keep, done.let_go):
        with pytest.raises(RunError, match="NGF_READONLY"):
            change()
    assert set(store.list()) == {done, live, waits}
    assert not [path for path in live.path.iterdir() if path.name in ("cancel", "pause")]
