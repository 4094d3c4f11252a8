"""Curvature of the loss: Hessian products, leading eigenvalues, trace and spectral density."""

from ngf_core.curvature.density import Density, spectral_density
from ngf_core.curvature.eigenvalues import Eigenpairs, top_eigenvalues
from ngf_core.curvature.hessian import HessianOperator
from ngf_core.curvature.lanczos import Krylov, Ritz, lanczos, ritz
from ngf_core.curvature.parameters import layer_parameters
from ngf_core.curvature.spectrum import Spectrum, measure_spectrum
from ngf_core.curvature.trace import Estimate, trace

__all__ = ["Density", "Eigenpairs", "Estimate", "HessianOperator", "Krylov", "Ritz", "Spectrum",
           "lanczos", "layer_parameters", "measure_spectrum", "ritz", "spectral_density",
           "top_eigenvalues", "trace"]
