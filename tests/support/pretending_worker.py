"""The real worker with fake_execute in place of the science: python -m tests.support.pretending_worker."""

from ngf_core.execute import worker

if __name__ == "__main__":
    worker.EXECUTES = dict.fromkeys(worker.EXECUTES, "tests.support.pretended_work")
    raise SystemExit(worker.main())
