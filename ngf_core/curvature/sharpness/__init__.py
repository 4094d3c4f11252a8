"""Sharpness measures, each with its error, its cost and its paired difference between two models.

A new measure is a module here with a `SharpnessMeasure`, and an entry below.
"""

from ngf_core.curvature.sharpness.reading import Difference, Reading, difference
from ngf_core.curvature.sharpness.subject import Subject
from ngf_core.registry import Entry

_HERE = "ngf_core.curvature.sharpness"

SHARPNESS = {
    "lambda_max": Entry("λ_max", f"{_HERE}.lambda_max:MEASURE"),
    "outlier_ratio": Entry("λ₁/λ₅", f"{_HERE}.outlier_ratio:MEASURE"),
    "trace": Entry("trace", f"{_HERE}.trace:MEASURE"),
    "adaptive_lambda_max": Entry("adaptive λ_max", f"{_HERE}.adaptive_lambda_max:MEASURE"),
    "sam": Entry("SAM, one step", f"{_HERE}.sam:ONE_STEP"),
    "sam_steps": Entry("SAM, several steps", f"{_HERE}.sam:STEPS"),
    "adaptive_sam": Entry("adaptive SAM, one step", f"{_HERE}.sam:ADAPTIVE_ONE_STEP"),
    "adaptive_sam_steps": Entry("adaptive SAM, several steps", f"{_HERE}.sam:ADAPTIVE_STEPS"),
    "fisher_rao": Entry("Fisher-Rao", f"{_HERE}.fisher_rao:MEASURE"),
    "relative_flatness": Entry("relative flatness", f"{_HERE}.relative_flatness:MEASURE"),
}

__all__ = ["SHARPNESS", "Difference", "Reading", "Subject", "difference"]
