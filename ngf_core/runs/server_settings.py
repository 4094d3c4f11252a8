"""What a server lets its users do, read from the environment: NGF_ and a field's name.

The worker, the store and the pages read it at each use, so a server and its workers agree.
"""

import os
from dataclasses import dataclass, fields
from typing import Any

from ngf_core.errors import ConfigError, RunError
from ngf_core.options import check_fields, option

GIGABYTE = 1e9
READONLY = ("This server only shows what was computed: jobs, uploads and changes to runs are "
            "switched off (NGF_READONLY).")
_WORDS = {"1": True, "true": True, "yes": True, "on": True,
          "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class ServerSettings:
    """Limits and access of one server. Each field is read from NGF_<FIELD>, e.g. NGF_MAX_JOBS."""

    max_jobs: int = option(1, "jobs that compute at the same time; each uses all cores", 1, 64)
    max_waiting: int = option(5, "jobs that one browser may have waiting", 1, 1000)
    job_memory_gb: float = option(0.0, "memory of one job in GB (10⁹ bytes), without what it maps "
                                  "from files; Linux only; 0: no limit", 0, 10_000)
    store_gb: float = option(0.0, "size of the folder of runs and decoded images together in GB "
                             "(10⁹ bytes) from which on no browser may start a job; 0: no limit",
                             0, 1_000_000)
    shared: bool = option(False, "browsers may stop and change only the runs that they asked for, "
                          "and none may pause")
    readonly: bool = option(False, "no jobs, no uploads, no changes to runs")
    token: str = option("", "a word that each tab asks for first, and again after it is reloaded; "
                        "empty: none")

    @property
    def for_many(self) -> bool:
        """Whether others than the owner of the machine use it: its folders are not theirs."""
        return self.shared or self.readonly or bool(self.token)


def variable(field: str) -> str:
    """The environment variable of a field: NGF_MAX_JOBS for max_jobs."""
    return f"NGF_{field.upper()}"


def server_settings() -> ServerSettings:
    """The settings as the environment has them now. Raises ConfigError, naming the variable."""
    given = {field.name: os.environ[variable(field.name)].strip()
             for field in fields(ServerSettings) if os.environ.get(variable(field.name))}
    types = {field.name: field.type for field in fields(ServerSettings)}
    settings = ServerSettings(**{name: _read(text, types[name]) for name, text in given.items()})
    try:
        check_fields(settings)
    except ConfigError as error:
        raise ConfigError(variable(error.field), error.why, error.fix) from None
    return settings


def _read(text: str, kind: Any) -> Any:
    """The value that a text stands for; a text that stands for none stays, and fails the check."""
    if kind is bool:
        return _WORDS.get(text.lower(), text)
    try:
        return kind(text)
    except ValueError:
        return text


def refuse_readonly() -> None:
    """Raise RunError where the server only shows."""
    if server_settings().readonly:
        raise RunError(READONLY)
