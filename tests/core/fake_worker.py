"""The real worker with fake_execute in place of the science: python -m tests.core.fake_worker."""

from ngf_core.execute import worker

if __name__ == "__main__":
    worker.EXECUTES = dict.fromkeys(worker.EXECUTES, "tests.core.fake_execute")
    raise SystemExit(worker.main())
