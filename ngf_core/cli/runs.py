"""`runs`: list runs, show, cancel, resume, restart or delete one."""

import argparse
from typing import Any

from ngf_core.cli.tables import described, detailed, print_json, results_of, runs_table
from ngf_core.cli.watch import warn, watch
from ngf_core.config import CONFIGS
from ngf_core.config.command import command_again
from ngf_core.errors import RunError
from ngf_core.runs import Run, RunStore, default_store, jobs
from ngf_core.runs.resuming import stopped_short

# Only where nothing is lost by a mistake about which run is meant.
LATEST = {"show": "; `latest` is the newest finished one",
          "resume": "; `latest` is the newest one that stopped so"}


def add_arguments(commands: Any) -> None:
    parser = commands.add_parser("runs", help="List runs, show, cancel, resume, restart or delete "
                                 "one.", description="List runs (the default), or act on one.")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.set_defaults(command=_list)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    for name, command, help_text in (
            ("list", _list, "all runs, newest first"),
            ("show", _show, "settings, state and results of one run"),
            ("cancel", _cancel, "stop a run and keep its curves"),
            ("resume", _resume, "let a run go on that was lost, or lacked disk, memory or a "
             "process"),
            ("restart", _restart, "start a new run with the settings of an old one"),
            ("delete", _delete, "delete a run that is not running")):
        action = actions.add_parser(name, help=help_text, description=help_text)
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS,
                            help="print as JSON")
        if command is not _list:
            action.add_argument("id", metavar="ID", help="the run's id" + LATEST.get(name, ""))
        if command in (_resume, _restart):
            action.add_argument("--detach", action="store_true",
                                help="print the run's id and do not wait")
        action.set_defaults(command=command)


def _list(options: argparse.Namespace) -> int:
    runs = default_store().list()
    if options.json:
        print_json([described(run) for run in runs])
    else:
        print(runs_table(runs))
    return 0


def _show(options: argparse.Namespace) -> int:
    store = default_store()
    run = store.latest(*CONFIGS) if options.id == "latest" else store.get(options.id)
    if options.json:
        print_json(detailed(run))
        return 0
    state, message = run.status()
    command = command_again(run.config, run.manifest)
    print(f"{run.id}\n{state}{': ' + message if message else ''}\n{command}")
    if run.results:
        print(results_of(run))
    warn(run, store)
    return 0


def _cancel(options: argparse.Namespace) -> int:
    run = default_store().get(options.id)
    jobs.cancel(run).join()
    return _say(run, options, run.message or "Cancelled.")


def _resume(options: argparse.Namespace) -> int:
    store = default_store()
    run = _stopped_last(store) if options.id == "latest" else store.get(options.id)
    return watch(jobs.resume(run, store), store, options)


def _stopped_last(store: RunStore) -> Run:
    for run in store.list():
        if stopped_short(run):
            return run
    raise RunError("There is no run here that was lost, or lacked disk, memory or a process. "
                   "`python -m ngf_core runs` lists the runs that exist here.")


def _restart(options: argparse.Namespace) -> int:
    store = default_store()
    return watch(jobs.restart(store.get(options.id), store), store, options)


def _delete(options: argparse.Namespace) -> int:
    run = default_store().find(options.id)
    run.delete()
    return _say(run, options, f"Deleted run {run.id}.", gone=True)


def _say(run: Run, options: argparse.Namespace, sentence: str, gone: bool = False) -> int:
    if options.json:
        print_json({"id": run.id, "deleted": True} if gone else described(run))
    else:
        print(sentence)
    return 0
