"""One layer of a shipped model made smaller and larger, with the BatchNorm behind it undoing that:
what λ_max says, and how many answers change.

    python -m benchmarks.rescaled_layer        # about two minutes

The model is the backdoored one of the run `SOURCE`, the images those of its shipped spectrum. For
each factor: λ_max, its Ritz residual, adaptive λ_max, the answers to all test images that differ
from the unchanged model's, and the greatest difference of a logit. The lesson's scene on fooling a
sharpness plot reads the table.

Writes assets/benchmark/rescaled.json.
"""

import json
from typing import Any

import torch

from benchmarks.environment import environment
from ngf_core.audit.rescaled_layer import before_batch_norm, rescaled
from ngf_core.config import SpectrumConfig
from ngf_core.curvature.sharpness import Subject
from ngf_core.curvature.sharpness.measure import measure_sharpness
from ngf_core.evaluate.test_set import predict
from ngf_core.paths import shipped
from ngf_core.runs import default_store
from ngf_core.trained.load import load_trained
from ngf_core.trained.samples import held_out

SOURCE, SPECTRUM = "signs-badnets-s0-train", "signs-badnets-s0-spectrum"
LAYER, NORM = "blocks.0.conv1", "blocks.0.bn2"
# Powers of two, so that the rescaled weights and statistics are exact in any arithmetic.
FACTORS = (4.0, 1.0, 0.5, 0.25, 0.125)


def measure() -> dict[str, Any]:
    """The table of all factors."""
    store = default_store()
    trained, config = load_trained(SOURCE, store), store.get(SPECTRUM).config_as(SpectrumConfig)
    model = trained.models["before"].eval()
    images = held_out(trained.dataset, trained.attack, config.samples, config.seed,
                      torch.device("cpu"))["clean"]
    tests = trained.dataset.test.x
    given = predict(model, tests)
    assert (LAYER, NORM) in before_batch_norm(model, images[0][:4])
    rows = []
    for factor in FACTORS:
        changed = rescaled(model, LAYER, NORM, factor).eval()
        found = measure_sharpness(Subject(changed, images), ("lambda_max", "adaptive_lambda_max"))
        answers = predict(changed, tests)
        rows.append({
            "factor": factor, "lambda_max": found["lambda_max"].value,
            "residual": found["lambda_max"].error,
            "adaptive_lambda_max": found["adaptive_lambda_max"].value,
            "changed_answers": int((answers.argmax(1) != given.argmax(1)).sum()),
            "probability_difference": float((answers - given).abs().max())})
    return {"source": SOURCE, "images": config.samples, "test_images": len(tests), "layer": LAYER,
            "rows": rows}


def main() -> None:
    """Measure and write the table."""
    table = measure() | {"environment": environment()}
    (shipped("assets", "benchmark") / "rescaled.json").write_text(
        json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(*table["rows"], sep="\n")


if __name__ == "__main__":
    main()
