"""The report of a bundle: one HTML file that opens offline.

Whatever comes from a run is escaped where it becomes HTML. The page's policy lets only its own two
scripts run, which it names by their hashes, and fetches nothing.
"""

import base64
import hashlib
import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ngf_core.bundle.figures import Figure, label
from ngf_core.config import flat
from ngf_core.config.command import command_again
from ngf_core.errors import ConfigError, NGFError
from ngf_core.evaluate.rates import Rate, is_rate
from ngf_core.runs import Run

_TITLES = {"train": "Training", "import": "Imported model", "purify": "Purification",
           "spectrum": "Spectrum", "landscape": "Landscape", "layers": "Layers", "audit": "Audit"}
# What other code needs of the results and people do not, or a table of its own shows.
_INTERNAL = ("train_config", "came_as", "class_names", "parameters")
_MOST_ROWS = 400


def report(runs: Sequence[Run], asked: Sequence[str], figures: Mapping[str, Sequence[Figure]]
           ) -> bytes:
    """The page about `runs`, sources first; `asked` are the ids that the bundle is about.

    Raises NGFError where Plotly is not installed.
    """
    shown = [*(run for run in runs if run.id in asked), *(run for run in runs
                                                         if run.id not in asked)]
    drawn: dict[str, dict[str, Any]] = {}
    parts = [_head(runs, asked), _together([run for run in shown if run.kind == "audit"])]
    for place, run in enumerate(shown):
        parts.append(_section(run, run.id in asked))
        parts.append(_drawings(run, figures[run.id], f"f{place}", drawn))
        parts.append(_details(run))
    draw, plotly = _part("report.js"), plotly_js()
    scripts = " ".join(f"'sha256-{_hash(text)}'" for text in (draw, plotly))
    filled = {
        "POLICY": f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; "
                  "img-src data: blob:; base-uri 'none'; form-action 'none'",
        "TITLE": _text(f"NGF Lab: {', '.join(asked)}"), "STYLE": _part("report.css"),
        "BODY": "\n".join(parts), "FIGURES": _inert(drawn), "PLOTLY": plotly, "DRAW": draw}
    # One pass over the shape: what is filled in is not searched again.
    pieces = _part("report.html").split("@")
    return "".join(filled.get(piece, piece) for piece in pieces).encode()


def plotly_js() -> str:
    """Plotly's JavaScript, from its Python package. Raises NGFError where that is not installed."""
    found = find_spec("plotly")
    for place in (found.submodule_search_locations or () if found else ()):
        path = Path(place, "package_data", "plotly.min.js")
        if path.is_file():
            return path.read_text(encoding="utf-8").replace("</script", "<\\/script")
    raise NGFError("The report of a bundle is drawn by Plotly, which is not installed here. "
                   "Install the dashboard's packages: pip install 'ngf-lab[app]'.")


def _part(name: str) -> str:
    return files("ngf_core.bundle").joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def _inert(value: Any) -> str:
    """JSON in which no tag can begin or end."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c").replace("&", "\\u0026")


def _head(runs: Sequence[Run], asked: Sequence[str]) -> str:
    seeds = sorted({str(flat(run.config).get("seed", "")) for run in runs})
    links = [_fact("Runs", ", ".join(f'<a href="#{_text(name)}">{_text(name)}</a>'
                                     for name in asked), raw=True)]
    behind = [run.id for run in runs if run.id not in asked]
    if behind:
        links.append(_fact("Stands on", ", ".join(
            f'<a href="#{_text(name)}">{_text(name)}</a>' for name in behind), raw=True))
    links += [_fact("Seeds", ", ".join(filter(None, seeds))),
              _fact("Repeat it", "NGF_SOURCE=FOLDER-OR-GIT-ADDRESS sh reproduce.sh"),
              _fact("Check the files", "sha256sum --check SHA256SUMS")]
    return ("<h1>What was measured, and how to repeat it</h1>"
            "<p>Rates carry Wilson's 95 % intervals over the test images, n of them; one run is "
            "one seed, and the interval says nothing about other seeds. On a processor of the same "
            "instructions, with as many threads and the same versions, the commands give the same "
            "numbers; elsewhere they give others.</p>"
            f'<table class="facts"><tbody>{"".join(links)}</tbody></table>')


def _together(audits: Sequence[Run]) -> str:
    """The verdict over several audits, or why they have none together."""
    if len(audits) < 2:
        return ""
    from ngf_core.evidence.audit_report import together

    try:
        said = together([run.results for run in audits])
    except ConfigError as error:
        said = f"They cannot be judged together: {error.why}."
    return (f"<h2>{len(audits)} audits, judged together</h2><pre>{_text(said)}</pre>"
            "<p>Below, each audit is judged alone.</p>")


def _section(run: Run, asked: bool) -> str:
    manifest = run.manifest
    title = _TITLES.get(run.kind or "", run.kind or "")
    role = "" if asked else " (stood on)"
    foreign = ("<p>It came in a bundle and was not computed where this one was made.</p>"
               if manifest.get("foreign") else "")
    return (f'<h2 id="{_text(run.id)}">{_text(title)}{role}: {_text(run.id)}</h2>'
            f"{foreign}{_rates(run.results)}{_audit(run)}")


def _rates(results: Mapping[str, Any]) -> str:
    """The rates and sharpness of each model, in one table."""
    rows: list[tuple[str, ...]] = []
    images = results.get("samples")
    for name, entry in results.items():
        if not isinstance(entry, Mapping):
            continue
        for key, value in entry.items():
            rate = Rate.from_json(value) if is_rate(value) else None
            if rate is not None and rate.n:
                low, high = (100 * end for end in rate.interval)
                rows.append((label(name), key.upper(), rate.percent(), f"{rate.n:,}",
                             f"{low:.1f} to {high:.1f} %"))
        for key, error, title in (("lambda_max", "residual", "λ_max"),
                                  ("trace", "trace_error", "trace")):
            if isinstance(entry.get(key), int | float):
                rows.append((label(name), title, f"{entry[key]:,.4g}",
                             _said(images) if images else "", _error(entry, key, error)))
    if not rows:
        return ""
    heads = ("model", "measure", "value", "n", "interval or error")
    return f'<h3>Results</h3><div class="rates">{_table(heads, rows)}</div>'


def _error(entry: Mapping[str, Any], key: str, error: str) -> str:
    measured = (entry.get("sharpness") or {}).get(key) or {}
    if isinstance(measured.get("sampling_error"), int | float):
        return f"± {measured['sampling_error']:.2g} by the draw of images"
    of = "Ritz residual" if error == "residual" else "of the probes"
    known = isinstance(entry.get(error), int | float)
    return f"± {entry[error]:.2g} ({of})" if known else ""


def _audit(run: Run) -> str:
    if run.kind != "audit":
        return ""
    from ngf_core.evidence.audit_report import text

    return f"<h3>Audit</h3><pre>{_text(text([run.results]))}</pre>"


def _drawings(run: Run, figures: Sequence[Figure], prefix: str, drawn: dict[str, dict[str, Any]]
              ) -> str:
    cells = []
    for place, figure in enumerate(figures):
        key = f"{prefix}-{place}"
        drawn[key] = {"traces": figure.traces, "layout": figure.layout,
                      "file": f"{run.id}-{figure.name}"}
        title, caption = _text(figure.title), _text(figure.caption)
        file = _text(f"figures/{run.id}-{figure.name}.csv")
        cells.append(f'<figure><h3>{title}</h3><div class="plot" id="{key}" role="img" '
                     f'aria-label="{title}: {caption}"></div><figcaption>{caption} '
                     f'<a href="{file}">Numbers (CSV)</a></figcaption></figure>')
    return f'<div class="figures">{"".join(cells)}</div>' if cells else ""


def _details(run: Run) -> str:
    manifest = run.manifest
    git = manifest["git"] or {}
    versions = ", ".join(f"{name} {value}" for name, value in (manifest["versions"] or {}).items())
    changed = ", with changes that are in no commit" if git.get("dirty") else ""
    ranks = manifest["ranks"] or 1
    facts = {"Processor": f"{manifest['device'] or 'unknown'}, instructions "
                          f"{manifest['instructions'] or 'not recorded'}",
             "Threads": f"{manifest['threads'] or 'not recorded'}" + (
                 f", in each of {ranks} processes" if ranks > 1 else ""), "Versions": versions,
             "Commit": f"{git['sha']}{changed}" if git.get("sha") else "not recorded",
             "Created": manifest["created"], "Finished": manifest["finished"],
             "Data (SHA-256)": manifest["data_sha"] or "not recorded"}
    command = command_again(run.config, manifest)
    return (f"<h3>Command</h3><pre>{_text(command)}</pre>"
            f"<h3>Computed on</h3>{_facts(facts)}"
            f"<details><summary>All settings</summary>{_facts(flat(run.config))}</details>"
            f"{_numbers(run.results)}")


def _numbers(results: Mapping[str, Any]) -> str:
    rows = list(_leaves({key: value for key, value in results.items() if key not in _INTERNAL}))
    if not rows:
        return ""
    more = f"<p>The first {_MOST_ROWS} of {len(rows):,}; manifest.json has all.</p>" if len(
        rows) > _MOST_ROWS else ""
    return (f"<details><summary>All numbers ({len(rows):,})</summary>{more}"
            f'{_table(("result", "value"), rows[:_MOST_ROWS])}</details>')


def _leaves(value: Any, name: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping) and not is_rate(value):
        for key, entry in value.items():
            yield from _leaves(entry, f"{name}, {key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
        for place, entry in enumerate(value, 1):
            yield from _leaves(entry, f"{name}, {place}")
    elif value not in (None, {}, [], ""):
        yield name.replace("_", " "), _said(value)


def _said(value: Any) -> str:
    if is_rate(value):
        return f"{value['hits']:,} of {value['n']:,}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return _number(value) if isinstance(value, int | float) else str(value)


def _number(value: float) -> str:
    """To five digits, without an exponent where people write none."""
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return str(value)
    if value == 0 or 1e-4 <= abs(value) < 1e7:
        digits = 5 if value == 0 else max(0, 4 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{digits}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.4g}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>"
                   for row in rows)
    return (f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
            "</table></div>")


def _facts(values: Mapping[str, Any]) -> str:
    return '<table class="facts"><tbody>' + "".join(
        _fact(name.replace("_", " "), "none" if value in (None, "") else _said(value)
              if not isinstance(value, tuple) else ", ".join(map(str, value)))
        for name, value in values.items()) + "</tbody></table>"


def _fact(name: str, value: str, raw: bool = False) -> str:
    """A row of two cells; `raw` is HTML already, made here of escaped parts."""
    return f'<tr><th scope="row">{_text(name)}</th><td>{value if raw else _text(value)}</td></tr>'
