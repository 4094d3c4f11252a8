"""How several ranks compute one run: all take the same steps, and the first one alone writes.

What an executor asks of the run, the first rank is asked, and all get its answer. The other ranks
wait for it to begin and end when it does; where one of them ends before, so does the first, with a
sentence, and the run can go on.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ngf_core.errors import NGFError
from ngf_core.ranks.torchrun import Place
from ngf_core.runs import Run, RunStore, RunWriter, default_store

if TYPE_CHECKING:
    from ngf_core.ranks.group import Ranks

_LOOK = 0.5


class FirstWriter(RunWriter):
    """The writer of the first rank. The others get what it has found on the disk."""

    def __init__(self, writer: RunWriter, ranks: "Ranks") -> None:
        super().__init__(writer.run)
        self._points, self._ranks = writer._points, ranks

    def part(self, name: str) -> Any:
        return self._ranks.agreed(super().part(name))


class OtherWriter(RunWriter):
    """The writer of the other ranks: it writes nothing, and never stops of its own."""

    def __init__(self, run: Run, ranks: "Ranks") -> None:
        super().__init__(run)
        self._ranks = ranks

    def note(self, **entries: Any) -> None:
        pass

    def progress(self, done: int, total: int, text: str, eta: float | None = None) -> None:
        pass

    def point(self, method: str, step: int, seconds: float, metrics: Mapping[str, float | None],
              n: Mapping[str, int], predictions: Mapping[str, Any] | None = None) -> float:
        return seconds

    def keep_part(self, name: str, value: Any) -> None:
        pass

    def part(self, name: str) -> Any:
        return self._ranks.agreed(None)

    def tensors(self, name: str, tensors: Mapping[str, Any]) -> None:
        pass

    def arrays(self, name: str, arrays: Mapping[str, Any]) -> None:
        pass

    def checkpoint(self) -> float:
        return 0.0

    def log(self, text: str) -> None:
        print(text, file=sys.stderr)


@contextmanager
def all_ranks(tell: Callable[[str], None] = lambda _: None) -> Iterator["Ranks"]:
    """The ranks, once all have come; they part where nothing went wrong. Where their processors
    are of several kinds, one is to `tell` so."""
    from ngf_core.device import instructions
    from ngf_core.ranks.group import joined, leave

    ranks = joined()
    assert ranks is not None, "torchrun has started this process"
    kinds = sorted(set(ranks.each(instructions())))
    if len(kinds) > 1:
        tell(f"The processors of this run are of several kinds ({', '.join(kinds)}). What each "
             "process computes of its own may differ in the last digits, and training may drift "
             "apart. Use nodes of one kind.")
    yield ranks
    leave()


def follow(run: Run, here: Place, executes: Mapping[str, str]) -> int:
    """Compute the run as another rank than the first, once that has begun. Exit code 0 where it is
    computed, else 1. executes: kind of run -> the module that computes it."""
    while run.manifest["state"] == "queued":
        time.sleep(_LOOK)
    if run.manifest["state"] != "running":
        return 1
    config, store = run.config, RunStore(run.path.parent, default_store().shipped)
    try:
        with all_ranks() as ranks:
            import_module(executes[config.kind]).execute(config, store, OtherWriter(run, ranks))
        return 0
    except NGFError as error:
        print(f"Process {here.rank} of {here.count}: {error}", file=sys.stderr)
    except Exception as error:
        if not is_lost(error):
            raise
        print(f"Process {here.rank} of {here.count} ends, since it does not reach the others: "
              f"{error}", file=sys.stderr)
    return 1


def is_lost(error: Exception) -> bool:
    """Whether it says that another rank has ended."""
    from ngf_core.ranks import group

    return group.is_lost(error)


def lost_rank(here: Place, run: Run) -> str:
    """The message of a run whose other ranks have ended, or were stopped, before it was done."""
    return (f"One of the {here.count} processes that computed this run ended {run.reached()}. The "
            f"last lines of log.txt of run {run.id} may say why. Let the run go on, or start it "
            "again.")
