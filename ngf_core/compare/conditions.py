"""What must be equal before one run's number is subtracted from another's, and what was not.

Settings that a comparison is about (method, layer, steps, poison rate, trigger strength) may
differ; how and on what the numbers were measured may not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ngf_core.compare.readings import Reading, measured_by
from ngf_core.compare.settings import STAGES
from ngf_core.config import LandscapeConfig, SpectrumConfig
from ngf_core.data import DATASETS
from ngf_core.errors import NGFError
from ngf_core.runs import Run, RunStore
from ngf_core.runs.lineage import training_of

ASR = ("asr", "ra")
# Two engines compute the same thing differently, so a difference may be theirs.
_ENGINE = "engine (the version of the computation)"


@dataclass(frozen=True)
class Failed:
    """A condition that does not hold: its name, and the value of one run and of the baseline."""

    name: str
    one: str
    base: str

    def sentence(self, one: str, base: str, what: str) -> str:
        """For runs called `one` and `base`: "B − A, sharpness: the matrix is ggn in B and hessian
        in A."."""
        return (f"{one} − {base}, {what}: the {self.name} is {self.one} in {one} and {self.base} "
                f"in {base}.")


def of_runs(run: Run, store: RunStore) -> dict[str, str]:
    """What every number of a run depends on: kind, data set, its images, network, engine.

    Raises RunError where the training behind the run is not recorded.
    """
    trained, manifest = training_of(run, store), run.manifest
    dataset = DATASETS[trained.dataset].title if trained.dataset in DATASETS else trained.dataset
    return {"kind of run": STAGES[run.config.kind], "data set": dataset,
            "checksum of the data": _short(manifest.get("data_sha")),
            "network": trained.arch or "unknown", _ENGINE: str(manifest.get("engine"))}


def of_attack(run: Run, store: RunStore) -> dict[str, str]:
    """What ASR and RA are about: the attack, and the label that the attacker wants."""
    trained = training_of(run, store)
    return {"attack": trained.attack, "attacker's label": str(trained.target)}


def of_spectrum(spectrum: Run) -> dict[str, str]:
    """What every sharpness measure of a spectrum depends on."""
    config, results = spectrum.config_as(SpectrumConfig), spectrum.results
    told = {"matrix": config.operator,
            "parameters": {"all": "all", "layer": "the tuned layer's"}[config.parameters]}
    if config.parameters == "layer":
        told["tuned layer"] = str(results.get("layer") or "unknown")
    return told | {"number of images": str(results.get("samples", config.samples)),
                   "seed of the images": str(config.seed),
                   "arithmetic": results.get("dtype", "unknown"),
                   "checksum of the spectrum's data": _short(spectrum.manifest.get("data_sha")),
                   "engine of the spectrum": str(spectrum.manifest.get("engine"))}


def of_landscape(landscape: Run) -> dict[str, str]:
    """What the loss on a landscape's planes depends on, and their directions."""
    config = landscape.config_as(LandscapeConfig)
    return {"number of images": str(config.samples),
            "seed of images and directions": str(config.seed), "scale of biases": config.vectors,
            "checksum of the landscape's data": _short(landscape.manifest.get("data_sha"))}


def failed(one: Mapping[str, str], base: Mapping[str, str]) -> list[Failed]:
    """The conditions that one run and the baseline do not share."""
    return [Failed(name, one.get(name, "not there"), base.get(name, "not there"))
            for name in dict.fromkeys([*base, *one]) if one.get(name) != base.get(name)]


def run_conditions(one: Run, base: Run, store: RunStore) -> list[Failed]:
    """Those of `of_runs`; a training that is not recorded is a failed condition too."""
    try:
        return failed(of_runs(one, store), of_runs(base, store))
    except NGFError as error:
        return [Failed("training", f"not known ({error})", "needed")]


def spectrum_conditions(one: Run, base: Run, store: RunStore) -> list[Failed]:
    """Those of `of_spectrum`, of the spectra that measured two runs; nothing where one has none."""
    measured = [measured_by(run, "spectrum", store) for run in (one, base)]
    if None in measured or any(run.state != "done" for run in measured if run):
        return []
    return failed(*(of_spectrum(run) for run in measured if run))


def landscape_conditions(one: Run, base: Run, store: RunStore) -> list[Failed]:
    """Those of `of_landscape`, of the landscapes of two runs; nothing where one has none."""
    drawn = [measured_by(run, "landscape", store) for run in (one, base)]
    return [] if None in drawn else failed(*(of_landscape(run) for run in drawn if run))


def reading_conditions(one: Reading, base: Reading) -> list[Failed]:
    """Whether two readings are on as many images."""
    return [] if one.n == base.n else [Failed("number of images", f"{one.n:,}", f"{base.n:,}")]


def _short(sha: str | None) -> str:
    return sha[:8] if sha else "unknown"
