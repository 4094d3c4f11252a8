"""Curvature of the loss: Hessian, GGN and Fisher products, eigenvalues, trace and density."""

from ngf_core.curvature.operators.empirical_fisher import EmpiricalFisherOperator
from ngf_core.curvature.operators.fisher import FisherOperator
from ngf_core.curvature.operators.ggn import GGNOperator
from ngf_core.curvature.operators.hessian import HessianOperator
from ngf_core.curvature.operators.last_layer import LastLayer
from ngf_core.curvature.operators.parameters import layer_parameters
from ngf_core.curvature.spectral.deflated_trace import TraceEstimate, trace
from ngf_core.curvature.spectral.density import Density, spectral_density
from ngf_core.curvature.spectral.eigenvalues import Eigenpairs, bottom_eigenvalues, top_eigenvalues
from ngf_core.curvature.spectral.lanczos import Krylov, Ritz, lanczos, ritz
from ngf_core.curvature.spectral.measure_spectrum import Spectrum, measure_spectrum, spectrum_of
from ngf_core.curvature.spectral.state import SpectrumState

__all__ = ["Density", "Eigenpairs", "EmpiricalFisherOperator", "TraceEstimate", "FisherOperator",
           "GGNOperator", "HessianOperator", "Krylov", "LastLayer", "Ritz", "Spectrum",
           "SpectrumState", "bottom_eigenvalues", "lanczos", "layer_parameters", "measure_spectrum",
           "ritz", "spectral_density", "spectrum_of", "top_eigenvalues", "trace"]
