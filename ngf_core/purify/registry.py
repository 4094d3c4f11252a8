"""The purification methods by name.

A new method is a module in `methods` with a function of the same form as `ngf`, a file of its
settings in `settings`, and an entry below.
"""

from dataclasses import dataclass

from ngf_core.purify import settings
from ngf_core.purify.settings import LayerSettings, MethodSettings
from ngf_core.registry import Entry


@dataclass(frozen=True)
class PurifierEntry(Entry):
    """`settings` is the dataclass of the method's own settings. `tunes` names what it may change:
    the `layer` it is given, the whole `network`, only the channels' `scales`, or only which
    `channels` are kept. A `data_free` method decides without an image, in one step; one with
    `images` adds patterns to images and keeps them in [0, 1].
    """

    settings: type[MethodSettings]
    tunes: str = "network"
    data_free: bool = False
    images: bool = False


PURIFIERS = {
    "ngf": PurifierEntry("NGF", "ngf_core.purify.methods.ngf:ngf", settings.NGF, "layer"),
    "sgd": PurifierEntry("SGD", "ngf_core.purify.methods.sgd:sgd", settings.SGD, "layer"),
    "finetune": PurifierEntry("Fine-tuning", "ngf_core.purify.methods.finetune:finetune",
                              settings.FineTuning),
    "ft_sam": PurifierEntry("FT-SAM", "ngf_core.purify.methods.ft_sam:ft_sam", settings.FTSAM),
    "nad": PurifierEntry("NAD", "ngf_core.purify.methods.nad:nad", settings.NAD),
    "ibau": PurifierEntry("I-BAU", "ngf_core.purify.methods.ibau:ibau", settings.IBAU),
    "fip": PurifierEntry("FIP", "ngf_core.purify.methods.fip:fip", settings.FIP),
    "fast_fip": PurifierEntry("Fast FIP", "ngf_core.purify.methods.fast_fip:fast_fip",
                              settings.FastFIP),
    "nft": PurifierEntry("NFT", "ngf_core.purify.methods.nft:nft", settings.NFT, "scales"),
    "clp": PurifierEntry("CLP", "ngf_core.purify.methods.clp:clp", settings.CLP, "channels",
                         data_free=True),
    "fine_pruning": PurifierEntry("Fine-Pruning",
                                  "ngf_core.purify.methods.fine_pruning:fine_pruning",
                                  settings.FinePruning),
    "anp": PurifierEntry("ANP", "ngf_core.purify.methods.anp:anp", settings.ANP, "channels"),
    "rnp": PurifierEntry("RNP", "ngf_core.purify.methods.rnp:rnp", settings.RNP, "channels"),
    "awm": PurifierEntry("AWM", "ngf_core.purify.methods.awm:awm", settings.AWM, images=True),
    "neural_cleanse": PurifierEntry("Neural Cleanse",
                                    "ngf_core.purify.methods.neural_cleanse:neural_cleanse",
                                    settings.NeuralCleanse, images=True),
    "mcr": PurifierEntry("MCR", "ngf_core.purify.methods.mcr:mcr", settings.MCR),
}
# The methods that tune named layers.
LAYERED = tuple(name for name, entry in PURIFIERS.items()
                if issubclass(entry.settings, LayerSettings))
