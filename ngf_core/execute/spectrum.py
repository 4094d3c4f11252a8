"""A spectrum run: every model of a run, on the same held-out clean images."""

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ngf_core.config import SpectrumConfig
from ngf_core.curvature.operators.parameters import layer_parameters
from ngf_core.curvature.sharpness import Reading, Subject
from ngf_core.curvature.sharpness.measure import measure_sharpness, report
from ngf_core.curvature.sharpness.slices import slices
from ngf_core.curvature.spectral.measure_spectrum import Spectrum, measure_spectrum
from ngf_core.curvature.spectral.state import SpectrumState
from ngf_core.execute import krylov_files
from ngf_core.fisher.layer_spectrum import layer_fisher_spectrum
from ngf_core.models.build import tuned_layers
from ngf_core.ranks.group import joined
from ngf_core.runs import RunStore, RunWriter
from ngf_core.runs.files import SLICES
from ngf_core.trained.load import load_trained
from ngf_core.trained.samples import held_out

GIGABYTE = 1e9
# The Gram matrix of a layer's per-sample gradients takes n^2 P operations.
FISHER_SAMPLES = 1000


def execute(config: SpectrumConfig, store: RunStore, writer: RunWriter) -> dict[str, Any]:
    """Measure and write spectrum.npz, and slices.npz: the loss along a Hessian's eigenvectors.

    Each finished model is kept as the part "model_<name>", so that a run that stopped measures only
    the others.
    """
    source, ranks = load_trained(config.source, store), joined()
    where = next(source.models["before"].parameters()).device
    writer.note(device=str(where), data_sha=source.dataset.sha256)
    x, y = held_out(source.dataset, None, config.samples, config.seed, where)["clean"]
    arrays: dict[str, np.ndarray] = {}
    along: dict[str, np.ndarray] = {}
    results: dict[str, Any] = {"samples": len(y), "layer": source.layer,
                               "fisher_samples": min(len(y), FISHER_SAMPLES),
                               "operator": config.operator, "parameters": config.parameters,
                               "dtype": str(x.dtype).removeprefix("torch.")}
    readings: dict[str, dict[str, Reading]] = {}
    for i, (name, model) in enumerate(source.models.items()):
        part = writer.part(f"model_{name}")
        if part is not None:
            results[name] = part["results"]
            arrays |= {key: np.asarray(value) for key, value in part["arrays"].items()}
            along |= {key: np.asarray(value) for key, value in part["slices"].items()}
            readings |= {name: {measure: Reading.of(kept)
                                for measure, kept in part["readings"].items()}}
            continue

        def progress(done: int, total: int, name: str = name, i: int = i) -> None:
            writer.checkpoint()
            writer.progress(int(1000 * (i + done / total)), 1000 * len(source.models),
                            f"{name}: {config.operator} product {done} of about {total}")

        # A network of other layers than are tuned has no Fisher matrix of a layer.
        tuned = source.layer or config.parameters == "layer"
        layers = tuned_layers(model, source.layer) if tuned else {}
        names = None if config.parameters == "all" else [
            name for layer in layers for name in layer_parameters(model, layer)]
        state, earlier = krylov_files.find(config, store, name, where)
        if ranks is not None:
            kept, earlier = ranks.agreed((state.to_tensors(), earlier))
            state = SpectrumState.from_tensors(kept, where)
        known = state.products
        try:
            spectrum = measure_spectrum(
                model, (x, y), operator=config.operator, parameters=names, k=config.k,
                bottom=config.bottom, probes=config.probes, steps=config.steps,
                trace_probes=config.trace_probes, trace_error=config.trace_error / 100,
                seed=config.seed, memory=config.memory * GIGABYTE, earlier=state,
                progress=progress, ranks=ranks)
        finally:
            krylov_files.keep(writer, name, state)
        results[name] = _results(spectrum) | {"spent": spectrum.products - known,
                                              "earlier": earlier}
        if config.check == "pyhessian" and config.operator == "hessian":
            writer.checkpoint()
            results[name]["pyhessian"] = _second_opinion(spectrum, model, x, y, config, names)
        if config.sharpness != "none":
            # The same seed for every model: their differences are paired, probe by probe.
            subject = Subject(model, (x, y), parameters=names, seed=config.seed,
                              memory=config.memory * GIGABYTE, on_pass=writer.checkpoint,
                              pairs=state.pairs if config.operator == "hessian" else None)
            readings[name] = measure_sharpness(subject, config.sharpness)
            results[name]["sharpness"] = report(
                readings[name], readings["before"] if name != "before" else None)
        for layer in layers.values():
            layer.requires_grad_(True)
        fisher = layer_fisher_spectrum(model, list(layers.values()), x[:FISHER_SAMPLES],
                                       y[:FISHER_SAMPLES], seed=config.seed) if layers else None
        own, lines = _arrays(name, spectrum, fisher), {}
        if config.operator == "hessian":
            lines = _slices(name, spectrum, Subject(
                model, (x, y), parameters=names, on_pass=writer.checkpoint))
        arrays |= own
        along |= lines
        arrays["models"] = np.array(list(source.models)[: i + 1])
        writer.arrays("spectrum", arrays)
        writer.keep_part(f"model_{name}", {
            "results": results[name],
            "arrays": {key: torch.from_numpy(value) for key, value in own.items()},
            "slices": {key: torch.from_numpy(value) for key, value in lines.items()},
            "readings": {measure: dataclasses.asdict(reading)
                         for measure, reading in readings.get(name, {}).items()}})
    arrays["models"] = np.array(list(source.models))
    writer.arrays("spectrum", arrays)
    if along:
        writer.arrays(SLICES, along)
    return results


def _results(spectrum: Spectrum) -> dict[str, Any]:
    trace = spectrum.trace
    return {"lambda_max": float(spectrum.eigenvalues[0]), "residual": float(spectrum.residuals[0]),
            "trace": float(trace.value), "trace_error": float(trace.standard_error),
            "trace_margin": trace.margin, "trace_reached": trace.reached,
            "products": spectrum.products, "unreached": list(spectrum.unreached)}


def _arrays(name: str, spectrum: Spectrum, fisher: Tensor | None) -> dict[str, np.ndarray]:
    trace, density = spectrum.trace, spectrum.density
    return {
        f"{name}.eigenvalues": spectrum.eigenvalues.cpu().numpy(),
        f"{name}.residuals": spectrum.residuals.cpu().numpy(),
        f"{name}.lowest": spectrum.lowest.cpu().numpy(),
        f"{name}.lowest_residuals": spectrum.lowest_residuals.cpu().numpy(),
        f"{name}.trace": np.array([trace.value, trace.standard_error, trace.probes]),
        f"{name}.density_grid": density.grid.cpu().numpy(),
        f"{name}.density": density.values.cpu().numpy(),
        f"{name}.products": np.array(spectrum.products),
    } | ({} if fisher is None else {f"{name}.fisher": fisher.cpu().numpy()})


def _slices(name: str, spectrum: Spectrum, subject: Subject) -> dict[str, np.ndarray]:
    """The loss along the eigenvectors of the largest eigenvalues, then of the smallest."""
    parts = [(pairs.values[:count], pairs.vectors[:count])
             for pairs, count in ((spectrum.state.pairs, len(spectrum.eigenvalues)),
                                  (spectrum.state.lowest, len(spectrum.lowest))) if pairs]
    found = slices(subject, torch.cat([values for values, _ in parts]),
                   torch.cat([vectors for _, vectors in parts]))
    return {f"{name}.t": found.t.numpy(), f"{name}.loss": found.loss.numpy(),
            f"{name}.slopes": found.slopes.numpy()}


def _second_opinion(spectrum: Spectrum, model: nn.Module, x: Tensor, y: Tensor,
                    config: SpectrumConfig, names: list[str] | None) -> dict[str, Any]:
    """`Agreement` as plain values, with its verdicts."""
    from ngf_core.curvature.pyhessian_check import compare

    found = compare(spectrum, model, x, y, config.seed, names, config.memory * GIGABYTE)
    return dataclasses.asdict(found) | {"z": found.z, "trace_agrees": found.trace_agrees,
                                        "eigenvalue_agrees": found.eigenvalue_agrees}
