"""The real worker, with `pretended_work` in place of the science; run it with python -m."""

from ngf_core.execute import worker

if __name__ == "__main__":
    worker.EXECUTES = dict.fromkeys(worker.EXECUTES, "tests.support.pretended_work")
    raise SystemExit(worker.main())
