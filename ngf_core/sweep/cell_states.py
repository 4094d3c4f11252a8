"""The states in which a cell of a sweep can be, in the order in which they are counted."""

MISSING, QUEUED, RUNNING, DONE, FAILED = "missing", "queued", "running", "done", "failed"
STATES = (DONE, RUNNING, QUEUED, FAILED, MISSING)
