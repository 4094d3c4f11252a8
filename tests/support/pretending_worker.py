"""The real worker, with `pretended_work` in place of the science and no look at the processor; run
it with python -m."""

import sys
from types import SimpleNamespace

from ngf_core.execute import worker

if __name__ == "__main__":
    worker.EXECUTES = dict.fromkeys(worker.EXECUTES, "tests.support.pretended_work")
    # The real one imports torch for a word about the processor: most of a pretended run's time.
    sys.modules["ngf_core.device"] = SimpleNamespace(
        instructions=lambda: f"{'torch' in sys.modules} that torch is imported")
    raise SystemExit(worker.main())
