"""`python -m ngf_core`: the command line."""

import os
import signal
import sys

# The system answers no signal for the first process of a container; the imports take a second.
if os.getpid() == 1:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))

from ngf_core.cli.main import main  # noqa: E402  (see above)

raise SystemExit(main())
