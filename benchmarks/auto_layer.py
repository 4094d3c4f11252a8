"""Which layer would a defender pick? The layer map of every model, and each rule's pick on it.

    python -m benchmarks.auto_layer

For each attack: the layer map of the zoo's model (`signs`, PreAct-ResNet-18 of width 16, seed 0):
NGF at each of its layers, 50 passes over batches of 128 from a pool of eight augmented copies of
200 clean images, judged on the test set. Each rule sees clean images only. Its regret is the ASR
that NGF leaves at its pick, above what it leaves at the oracle's (see `ngf_core.layers.oracle`); of
DER too, the other way round. Leave one attack out: the rule with the least mean regret on the other
attacks is judged on the one left out, so that having chosen a rule by test ASR is part of the
figure.

What this does not settle: one seed of each model; a map is a single run per layer, and a second one
of a layer inside the network may differ by tens of points of ASR; the rules, and the budget of the
one behind "auto", were written while maps of the mini network had been seen; and a map's budget is
half of the benchmark's.

Writes assets/benchmark/layers.parquet, auto.json and layer_rules.md. Existing maps, as those that
ship, are reused; without them each takes some six minutes of one core. --rules recomputes the
rules' picks from the maps' stored statistics, without making a map.
"""

import argparse
import json
from dataclasses import fields
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd
import torch

from benchmarks.environment import environment
from ngf_core.attacks import ATTACKS
from ngf_core.config import LayersConfig
from ngf_core.errors import NGFError
from ngf_core.evaluate.rates import Evaluation, der
from ngf_core.evidence import tables_folder
from ngf_core.evidence.measures import COUNTS, counts_of
from ngf_core.evidence.rank import estimate
from ngf_core.execute.zoo import make
from ngf_core.layers.oracle import oracle
from ngf_core.layers.rules import DEFAULT_RULE, RULES, best, judge
from ngf_core.layers.statistics import LayerStatistics
from ngf_core.purify import NGF
from ngf_core.runs import Run, RunStore, default_store

STEPS = 50
# The default rule at the map's own budget, beside its scores from `choose_layer`.
AT_MAP = f"{DEFAULT_RULE}_at_map"


def layer_map(attack: str, store: RunStore) -> Run:
    """The map of one model, from any finished run of it with NGF, `STEPS` and default settings."""
    source = f"signs-{attack}-s0-train"
    asked = LayersConfig(source=source, methods=(NGF(),), steps=STEPS, reference="none")
    free = {"methods", "reference", "reference_lr"}
    for run in store.list("layers"):
        same = run.state == "done" and NGF() in run.config.methods and all(
            getattr(run.config, f.name) == getattr(asked, f.name)
            for f in fields(asked) if f.name not in free)
        if same and "looks" in run.results:
            return run
    return make(store, f"signs-{attack}-s0-layers", asked)


def rows(attack: str, results: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per layer and method, with the rules' scores."""
    scores = rule_scores(results)
    table = []
    for entry in results["map"]:
        table.append({"attack": attack, "seed": 0, "layer": entry["layer"],
                      "method": entry["method"]} | counts_of(entry)
                     | {"seconds": entry["seconds"], "fisher_trace": entry["fisher_trace"]}
                     | {f"score_{rule}": of[entry["layer"]] for rule, of in scores.items()})
    return table


def rule_scores(results: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """Every rule's scores from the map's stored statistics; of the one behind "auto", both kinds.
    """
    measured = [LayerStatistics.of(plain) for plain in results["looks"]]
    scores = {rule: judge(measured, rule) for rule in RULES}
    return scores | {AT_MAP: scores[DEFAULT_RULE], DEFAULT_RULE: results["scores"][DEFAULT_RULE]}


def regrets(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """For each rule on one model: its pick, and how far ASR, ACC and DER there are from the
    oracle's, in points; positive is worse."""
    entries = {e["layer"]: e for e in results["map"] if e["method"] == "ngf"}
    top = entries[oracle(list(entries.values()), results["before"])["layer"]]
    before, found = Evaluation.from_json(results["before"]), {}
    for rule, scores in rule_scores(results).items():
        pick = best(scores)
        mine, ideal = map(Evaluation.from_json, (entries[pick], top))
        found[rule] = {
            "layer": pick, "oracle": top["layer"], "asr": 100 * mine.asr.value,
            "acc": 100 * mine.acc.value,
            "regret_asr": 100 * (mine.asr.value - ideal.asr.value),
            "regret_acc": 100 * (ideal.acc.value - mine.acc.value),
            "regret_der": 100 * (der(before, ideal) - der(before, mine))}
    return found


def summary(found: dict[str, dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Mean regrets of each rule over the attacks of `found`, and leave-one-attack-out."""
    rules = list(next(iter(found.values())))
    means = {rule: {key: mean(of[rule][key] for of in found.values())
                    for key in ("regret_asr", "regret_der", "asr", "acc")}
             | {"worst_asr": max(of[rule]["regret_asr"] for of in found.values()),
                "interval_asr": _interval([of[rule]["regret_asr"] for of in found.values()])}
             for rule in rules}
    left_out = {}
    for attack in found if len(found) > 1 else ():
        others = [of for name, of in found.items() if name != attack]
        rule = min(rules, key=lambda r: mean(of[r]["regret_asr"] for of in others))
        left_out[attack] = {"rule": rule} | found[attack][rule]
    return {"rules": dict(sorted(means.items(), key=lambda item: item[1]["regret_asr"])),
            "left_one_out": {"models": left_out, "mean_regret_asr": mean(
                of["regret_asr"] for of in left_out.values()) if left_out else None}}


def markdown(report: dict[str, Any]) -> str:
    """One row per rule, by increasing mean regret; then the regret of choosing a rule by ASR."""
    rows = ["| rule | mean regret, points of ASR | worst | ASR % | ACC % |",
            "| --- | --- | --- | --- | --- |"]
    for rule, means in report["rules"].items():
        if rule != AT_MAP:
            title = RULES[rule].title + (" (`auto`)" if rule == DEFAULT_RULE else "")
            rows.append(f"| {title} | {_told(means)} | {means['worst_asr']:.1f} | "
                        f"{means['asr']:.1f} | {means['acc']:.1f} |")
    left_out = report["left_one_out"]["mean_regret_asr"]
    if left_out is not None:
        rows.append(f"| the best rule on the other attacks (leave one attack out) | {left_out:.1f} "
                    "| | | |")
    return "\n".join(rows) + "\n"


def _interval(values: list[float]) -> tuple[float, float]:
    """Student's 95 % interval of the mean over attacks; NaN where there is one."""
    found = estimate(pd.Series(values, pd.MultiIndex.from_tuples(
        [(place, 0) for place in range(len(values))], names=["attack", "seed"])))
    return found.low, found.high


def _told(means: dict[str, Any]) -> str:
    low, high = means["interval_asr"]
    return f"{means['regret_asr']:.1f} [{low:.1f}, {high:.1f}]".replace("-", "−")


def main() -> None:
    """Make the maps that are missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attacks", nargs="+", choices=tuple(ATTACKS), default=tuple(ATTACKS))
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark"),
                        help="folder for the maps (default: %(default)s)")
    parser.add_argument("--rules", action="store_true",
                        help="make no map, use the existing ones")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # as the workers; environment() records it
    store = RunStore(arguments.runs.absolute(), default_store().shipped)
    table, found = [], {}
    for attack in arguments.attacks:
        try:
            run = store.get(f"signs-{attack}-s0-layers") if arguments.rules \
                else layer_map(attack, store)
        except NGFError as error:
            print(error)
            continue
        if run.state == "done":
            table += rows(attack, run.results)
            found[attack] = regrets(run.results)
    if not found:
        raise SystemExit("No map exists yet. Leave out --rules.")
    tables_folder().mkdir(parents=True, exist_ok=True)
    layers = pd.DataFrame(table).astype(dict.fromkeys(COUNTS, "Int64"))
    layers.to_parquet(tables_folder() / "layers.parquet", index=False)
    report = {"command": "python -m benchmarks.auto_layer", "default_rule": DEFAULT_RULE,
              "method": __doc__, "attacks": list(found), **summary(found), "models": found,
              "environment": environment()}
    (tables_folder() / "auto.json").write_text(json.dumps(report, indent=1) + "\n")
    (tables_folder() / "layer_rules.md").write_text(markdown(report))
    for rule, means in report["rules"].items():
        print(f"{rule:24s} regret {_told(means)}, "
              f"worst {means['worst_asr']:.0f}; DER {means['regret_der']:.1f}; "
              f"ASR {means['asr']:.1f} ACC {means['acc']:.1f}")
    print("left out:", report["left_one_out"]["mean_regret_asr"])


if __name__ == "__main__":
    main()
