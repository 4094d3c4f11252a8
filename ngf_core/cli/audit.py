"""`audit`: whether one model is flatter than another, over one pair of models or several."""

import argparse
import dataclasses
import sys
from typing import Any

from ngf_core.cli.job import add_option
from ngf_core.cli.lists import add_list
from ngf_core.cli.tables import print_json
from ngf_core.cli.watch import to_the_end
from ngf_core.config import AuditConfig, ImportConfig, validate
from ngf_core.config.audit import FORMAT
from ngf_core.errors import ConfigError
from ngf_core.evidence import audit_report as report
from ngf_core.runs import Run, RunStore, default_store, jobs
from ngf_core.runs.lineage import training_of

_NAMED = ("source", "against")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    helps = {field.name: field.metadata["help"] for field in dataclasses.fields(AuditConfig)}
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=(
        f"{helps['source']}; several are several pairs: other training seeds repeat a claim, other "
        "purifications of one model do not; `latest` is the newest purification"))
    add_list(parser, "against", default=[], metavar="RUN", help=(
        f"{helps['against']}; one per SOURCE and in their order"))
    for field in dataclasses.fields(AuditConfig):
        if field.name not in _NAMED:
            add_option(parser, field)
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(options: argparse.Namespace) -> int:
    store = default_store()
    pairs = []
    for config in _configs(options, store):
        made = _made(config, store)
        if made is None:
            made = jobs.start(config, store)
            state, message = to_the_end(made)
            if state != "done":
                print(message, file=sys.stderr)
                return 1
        else:
            print(f"Run {made.id} has measured this already.", file=sys.stderr)
        pairs.append((made, made.results))
    if options.json:
        _print_json(pairs)
    else:
        print(report.text([results for _, results in pairs]))
    return 0


def _configs(options: argparse.Namespace, store: RunStore) -> list[AuditConfig]:
    """One config per pair, all checked before the first is started."""
    against = options.against or [""] * len(options.sources)
    if len(against) != len(options.sources):
        raise ConfigError("against", f"it names {len(against)} runs, and {len(options.sources)} "
                          "are to be compared", "Name one per SOURCE, in their order.")
    sources = [store.latest("purify").id if name == "latest" else name
               for name in options.sources]
    values = {field.name: getattr(options, field.name)
              for field in dataclasses.fields(AuditConfig) if field.name not in _NAMED}
    configs = [AuditConfig(source=source, against=other, **values)
               for source, other in zip(sources, against, strict=True)]
    for config in configs:
        validate(config)
        for name in filter(None, (config.source, config.against)):
            store.get(name)
    _check_distinct(configs, store)
    return configs


def _check_distinct(configs: list[AuditConfig], store: RunStore) -> None:
    """Refuse, before anything is computed, two pairs that start from one model."""
    seen: dict[tuple[str, ...], str] = {}
    for config in configs:
        train = training_of(store.get(config.source), store)
        own = ((config.source,) if isinstance(train, ImportConfig)
               else (train.arch, str(train.seed)))
        one = (train.dataset, train.attack, *own)
        if one in seen:
            raise ConfigError("runs", f"two of them start from one model ({seen[one]} and "
                              f"{config.source})",
                              "Name one of them: only other models repeat a claim.")
        seen[one] = config.source


def _made(config: AuditConfig, store: RunStore) -> Run | None:
    """A finished run of these very settings, computed here, with the results recorded today."""
    made = store.finished(config)
    return made if made is not None and made.results.get("format") == FORMAT else None


def _print_json(pairs: list[tuple[Run, dict[str, Any]]]) -> None:
    from ngf_core.evidence.audit_verdict import judge

    verdict = judge([results for _, results in pairs])
    print_json({"verdict": dataclasses.asdict(verdict),
                "pairs": [{"id": run.id} | results for run, results in pairs]})
