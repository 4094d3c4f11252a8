"""Methods that purify a backdoored model on a few clean images: their settings, and the budget.

Nothing here needs torch. `ngf_core.library` has the function that purifies any model.
"""

from ngf_core.purify.budget import Budget
from ngf_core.purify.settings import (
    ANP,
    AWM,
    CLP,
    FIP,
    FTSAM,
    IBAU,
    MCR,
    NAD,
    NFT,
    NGF,
    RNP,
    SGD,
    FastFIP,
    FinePruning,
    FineTuning,
    NeuralCleanse,
)

__all__ = ["ANP", "AWM", "Budget", "CLP", "FIP", "FTSAM", "FastFIP", "FinePruning",
           "FineTuning", "IBAU", "MCR", "NAD", "NFT", "NGF", "NeuralCleanse", "RNP", "SGD"]
