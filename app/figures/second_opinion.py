"""The comparison with PyHessian in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.theme import style

AGREES, APART, DISAGREES, UNKNOWN = "agrees", "apart", "disagrees", "not checked"
# Standard errors from which two estimates of one trace are not called agreeing.
FAR = 2.0


@dataclass(frozen=True)
class Opinion:
    """`state`, one sentence for the page, and the numbers behind it model by model."""

    state: str
    sentence: str
    detail: str = ""


def second_opinion(checks: Mapping[str, Mapping[str, Any] | None]) -> Opinion:
    """Whether PyHessian's leading eigenvalue and trace agree with the spectrum's, within errors.

    Traces more than `FAR` standard errors of their difference apart, if no more than the run's own
    limit, are neither agreement nor disagreement.

    checks: model -> the `pyhessian` entry of a spectrum run's results, None where there is none.
    """
    known = {name: check for name, check in checks.items() if check}
    if not known:
        return Opinion(UNKNOWN, "Not checked against PyHessian.")
    detail = " ".join(_detail(name, check) for name, check in known.items())
    wrong = [f"{part} of {style(name).label}" for name, check in known.items()
             for part, key in (("λ_max", "eigenvalue_agrees"), ("trace", "trace_agrees"))
             if not check[key]]
    if wrong:
        return Opinion(DISAGREES, f"Checked against PyHessian: it disagrees on {_listed(wrong)}.",
                       detail)
    far = max(_relative(check) for check in known.values())
    z = max(abs(check["z"]) for check in known.values())
    if z > FAR:
        return Opinion(APART, f"PyHessian's λ_max agrees within {max(far, 0.001):.2g} %; of its "
                              f"traces one lies {z:.1f} standard errors from ours, which chance "
                              "alone seldom does.", detail)
    return Opinion(AGREES, f"Checked against PyHessian: λ_max agrees within "
                           f"{max(far, 0.001):.2g} %, the trace within {z:.1f} standard errors of "
                           "the difference.", detail)


def _relative(check: Mapping[str, Any]) -> float:
    """How far apart the eigenvalues are, in % of ours."""
    apart = abs(check["eigenvalue"] - check["ours"])
    return 100 * apart / abs(check["ours"]) if check["ours"] else 0.0


def _detail(name: str, check: Mapping[str, Any]) -> str:
    return (f"{style(name).label}: λ {check['eigenvalue']:.5g} ± {check['residual']:.2g} there and "
            f"{check['ours']:.5g} ± {check['our_residual']:.2g} here, trace {check['trace']:.4g} ± "
            f"{check['trace_error']:.2g} there ({check['probes']} probes) and "
            f"{check['our_trace']:.4g} ± {check['our_trace_error']:.2g} here.")


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
