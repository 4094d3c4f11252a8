"""The real worker on tiny data, whose second rank is killed in the second epoch where DYING_RANK
says so; run it with python -m."""

import os
import signal
from typing import Any

from ngf_core.execute import train, worker
from ngf_core.ranks.torchrun import place
from tests.support.tiny_runs import tiny

DYING = "DYING_RANK"


def kill_in_the_second_epoch() -> None:
    evaluate, calls = train.evaluate, []

    def deadly(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return evaluate(*arguments)

    train.evaluate = deadly


if __name__ == "__main__":
    here = place()
    assert here is not None
    if here.rank == 1 and os.environ.get(DYING):
        kill_in_the_second_epoch()
    train.KEEP_EVERY, train.KEEP_SHARE = 0.0, 1e9  # every epoch
    with tiny():
        raise SystemExit(worker.main())
