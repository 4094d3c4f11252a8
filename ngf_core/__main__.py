"""`python -m ngf_core`: the command line."""

from ngf_core.cli.main import main

raise SystemExit(main())
