"""A run followed to its end from the command line."""

import argparse
import json
import os
import sys
import time
from typing import Any

from ngf_core.cli.tables import detailed, print_json, results_of
from ngf_core.ranks.torchrun import told_for_nodes
from ngf_core.runs import Run, RunStore, jobs
from ngf_core.runs.attack_check import verdict

_POLL = 0.2


def watch(run: Run, store: RunStore, options: argparse.Namespace) -> int:
    """Follow a run to its end and print its results, with a warning where its model has hardly a
    backdoor. One of several nodes is not followed: it has to be started on each of them."""
    nodes = run.manifest.get("nodes") or 1
    if nodes > 1 and run.state == "queued":
        devices = run.manifest["ranks"] // nodes
        print("Run on each node: " + told_for_nodes(jobs.WORKER[-1], str(run.path.absolute()),
                                                    devices, nodes), file=sys.stderr)
    if options.detach or nodes > 1:
        print(json.dumps({"id": run.id}) if options.json else run.id)
        return 0
    state, message = to_the_end(run)
    if options.json:
        print_json(detailed(run))
    elif state == "done":
        print(results_of(run))
    warn(run, store)
    if state != "done":
        print(message, file=sys.stderr)
    return 0 if state == "done" else 1


def to_the_end(run: Run) -> tuple[str, str]:
    """Follow a run until it ends, in whatever state, and return that with its message; Ctrl-C
    cancels it."""
    print(f"Run {run.id}", file=sys.stderr)
    try:
        _follow(run)
    except KeyboardInterrupt:
        print("\nStopping; the curves until now are kept.", file=sys.stderr)
        if run.live:
            jobs.cancel(run).join()
    return run.status()


def warn(run: Run, store: RunStore) -> None:
    """Say on stderr where the attack on the run's model did not take."""
    warning = verdict(run, store)
    if warning:
        print(f"Warning: {warning}", file=sys.stderr)


def _follow(run: Run) -> None:
    line, offset, live = _Line(), 0, True
    while live:
        live = run.live
        events, offset = run.events(offset)
        for event in events:
            if event["type"] == "progress":
                line.show(_progress(event))
            elif event["type"] == "state" and event["state"] == "queued":
                line.show(event["message"])
        if live:
            time.sleep(_POLL)
    line.end()


def _progress(event: dict[str, Any]) -> str:
    eta = event["eta"]
    left = "" if eta is None else f", {eta:.0f} s left"
    return f"{event['done']}/{event['total']}  {event['text']}{left}"


class _Line:
    """One line of progress: rewritten on a terminal, a new one every ten seconds elsewhere."""

    def __init__(self) -> None:
        self._terminal, self._last, self._text = sys.stderr.isatty(), float("-inf"), ""

    def show(self, text: str) -> None:
        if self._terminal:
            width = (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
            print("\r" + text[:width].ljust(width), end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._last >= 10:
            print(text, file=sys.stderr, flush=True)
            self._last = time.monotonic()
        self._text = text

    def end(self) -> None:
        if self._terminal and self._text:
            print(file=sys.stderr)
