"""A spectrum run: every model of a run, on the same held-out clean images."""

from typing import Any

import numpy as np

from ngf_core.config import SpectrumConfig
from ngf_core.curvature.spectrum import measure_spectrum
from ngf_core.execute.sources import held_out, load_source
from ngf_core.fisher.spectrum import layer_fisher_spectrum
from ngf_core.models.build import tunable_layer
from ngf_core.runs import RunStore, RunWriter


def execute(config: SpectrumConfig, store: RunStore, writer: RunWriter) -> dict[str, Any]:
    """Measure and leave spectrum.npz, rewritten after each model so that none is lost."""
    source = load_source(config.source, store)
    where = next(source.models["before"].parameters()).device
    writer.note(device=str(where), data_sha=source.dataset.sha256)
    x, y = held_out(source.dataset, None, config.samples, config.seed, where)["clean"]
    arrays: dict[str, np.ndarray] = {}
    results: dict[str, Any] = {"samples": len(y), "layer": source.layer,
                               "dtype": str(x.dtype).removeprefix("torch.")}
    for i, (name, model) in enumerate(source.models.items()):
        def progress(done: int, total: int, name: str = name, i: int = i) -> None:
            writer.checkpoint()
            writer.progress(int(1000 * (i + done / total)), 1000 * len(source.models),
                            f"{name}: Hessian product {done} of about {total}")

        spectrum = measure_spectrum(model, (x, y), k=config.k, probes=config.probes,
                                    steps=config.steps, trace_probes=config.trace_probes,
                                    seed=config.seed, progress=progress)
        layer = tunable_layer(model, source.layer)
        layer.requires_grad_(True)
        fisher = layer_fisher_spectrum(model, layer, x, y, seed=config.seed)
        trace = spectrum.trace
        arrays |= {
            f"{name}.eigenvalues": spectrum.eigenvalues.cpu().numpy(),
            f"{name}.residuals": spectrum.residuals.cpu().numpy(),
            f"{name}.trace": np.array([trace.value, trace.standard_error, trace.probes]),
            f"{name}.density_grid": spectrum.density.grid.cpu().numpy(),
            f"{name}.density": spectrum.density.values.cpu().numpy(),
            f"{name}.fisher": fisher.cpu().numpy(),
            f"{name}.products": np.array(spectrum.products),
            "models": np.array(list(source.models)[: i + 1]),
        }
        writer.arrays("spectrum", arrays)
        results[name] = {
            "lambda_max": float(spectrum.eigenvalues[0]), "residual": float(spectrum.residuals[0]),
            "trace": float(trace.value), "trace_error": float(trace.standard_error)}
    return results
