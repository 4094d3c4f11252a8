"""The settings of each method, one dataclass per file; nothing here needs torch."""

from ngf_core.purify.settings.anp import ANP
from ngf_core.purify.settings.awm import AWM
from ngf_core.purify.settings.clp import CLP
from ngf_core.purify.settings.fast_fip import FastFIP
from ngf_core.purify.settings.fine_pruning import FinePruning
from ngf_core.purify.settings.finetune import FineTuning
from ngf_core.purify.settings.fip import FIP
from ngf_core.purify.settings.ft_sam import FTSAM
from ngf_core.purify.settings.ibau import IBAU
from ngf_core.purify.settings.mcr import MCR
from ngf_core.purify.settings.method_settings import LayerSettings, MethodSettings
from ngf_core.purify.settings.nad import NAD
from ngf_core.purify.settings.neural_cleanse import NeuralCleanse
from ngf_core.purify.settings.nft import NFT
from ngf_core.purify.settings.ngf import NGF
from ngf_core.purify.settings.rnp import RNP
from ngf_core.purify.settings.sgd import SGD

__all__ = ["ANP", "AWM", "CLP", "FIP", "FTSAM", "FastFIP", "FinePruning", "FineTuning", "IBAU",
           "LayerSettings", "MCR", "MethodSettings", "NAD", "NFT", "NGF", "NeuralCleanse", "RNP",
           "SGD"]
