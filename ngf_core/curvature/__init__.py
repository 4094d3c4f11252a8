"""Curvature of the loss: Hessian, GGN and Fisher products, eigenvalues, trace and density."""

from ngf_core.curvature.density import Density, spectral_density
from ngf_core.curvature.eigenvalues import Eigenpairs, bottom_eigenvalues, top_eigenvalues
from ngf_core.curvature.empirical_fisher import EmpiricalFisherOperator
from ngf_core.curvature.fisher import FisherOperator
from ngf_core.curvature.ggn import GGNOperator
from ngf_core.curvature.hessian import HessianOperator
from ngf_core.curvature.lanczos import Krylov, Ritz, lanczos, ritz
from ngf_core.curvature.last_layer import LastLayer
from ngf_core.curvature.parameters import layer_parameters
from ngf_core.curvature.spectrum import Spectrum, measure_spectrum, spectrum_of
from ngf_core.curvature.spectrum_state import SpectrumState
from ngf_core.curvature.trace import Estimate, trace

__all__ = ["Density", "Eigenpairs", "EmpiricalFisherOperator", "Estimate", "FisherOperator",
           "GGNOperator", "HessianOperator", "Krylov", "LastLayer", "Ritz", "Spectrum",
           "SpectrumState", "bottom_eigenvalues", "lanczos", "layer_parameters", "measure_spectrum",
           "ritz", "spectral_density", "spectrum_of", "top_eigenvalues", "trace"]
