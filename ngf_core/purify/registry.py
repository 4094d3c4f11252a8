"""Purification methods, and `purify(model, clean_data, NGF())` for any model and data.

A new method is a module here with a function of the same form as `ngf`, and a line below.
"""

import re
from dataclasses import dataclass
from importlib import import_module

from ngf_core.registry import Entry


@dataclass(frozen=True)
class PurifierEntry(Entry):
    """`tunes` says what a method may change: the `layer` it is told, the whole `network`, nothing
    but the channels' `scales`, or nothing but which `channels` are kept. A `data_free` one decides
    without an image, at once; one of `images` adds to them what stays in [0, 1].

    own: the dataclass of its own parameters, beside its function ("": it has none). settings: the
    fields of PurifyConfig it reads besides those that all methods read.
    """

    tunes: str = "network"
    own: str = ""
    settings: tuple[str, ...] = ()
    data_free: bool = False
    images: bool = False

    @property
    def step_size(self) -> str:
        """The setting that is its step size; "" where its own parameters hold it, or nothing."""
        return next((n for n in ("kl_bound", "lr", "finetune_lr") if n in self.settings), "")

    @property
    def class_name(self) -> str:
        """What its settings are called in Python: NGF, FTSAM, FineTuning."""
        return "".join(word[0].upper() + word[1:] for word in re.findall(r"\w+", self.title))

    def own_class(self) -> type | None:
        """The dataclass of its own parameters, imported now."""
        return getattr(import_module(self.where.partition(":")[0]), self.own) if self.own else None


PURIFIERS = {
    "ngf": PurifierEntry("NGF", "ngf_core.purify.methods.ngf:ngf", "layer", "Ngf",
                         ("layer", "fisher", "damping", "kl_bound", "regulariser")),
    "sgd": PurifierEntry("SGD", "ngf_core.purify.methods.sgd:sgd", "layer", "", ("layer", "lr")),
    "finetune": PurifierEntry("Fine-tuning", "ngf_core.purify.methods.finetune:finetune",
                              settings=("finetune_lr",)),
    "ft_sam": PurifierEntry("FT-SAM", "ngf_core.purify.methods.ft_sam:ft_sam", own="FTSAM",
                            settings=("finetune_lr",)),
    "nad": PurifierEntry("NAD", "ngf_core.purify.methods.nad:nad", own="NAD",
                         settings=("finetune_lr",)),
    "ibau": PurifierEntry("I-BAU", "ngf_core.purify.methods.ibau:ibau", own="IBAU"),
    "fip": PurifierEntry("FIP", "ngf_core.purify.methods.fip:fip", own="FIP",
                         settings=("finetune_lr", "fisher")),
    "fast_fip": PurifierEntry("Fast FIP", "ngf_core.purify.methods.fast_fip:fast_fip",
                              own="FastFIP", settings=("fisher",)),
    "nft": PurifierEntry("NFT", "ngf_core.purify.methods.nft:nft", "scales", "NFT"),
    "clp": PurifierEntry("CLP", "ngf_core.purify.methods.clp:clp", "channels", "CLP",
                         data_free=True),
    "fine_pruning": PurifierEntry("Fine-Pruning",
                                  "ngf_core.purify.methods.fine_pruning:fine_pruning",
                                  own="FinePruning"),
    "anp": PurifierEntry("ANP", "ngf_core.purify.methods.anp:anp", "channels", "ANP"),
    "rnp": PurifierEntry("RNP", "ngf_core.purify.methods.rnp:rnp", "channels", "RNP"),
    "awm": PurifierEntry("AWM", "ngf_core.purify.methods.awm:awm", own="AWM", images=True),
    "neural_cleanse": PurifierEntry("Neural Cleanse",
                                    "ngf_core.purify.methods.neural_cleanse:neural_cleanse",
                                    own="NeuralCleanse", images=True),
    "mcr": PurifierEntry("MCR", "ngf_core.purify.methods.mcr:mcr", own="MCR"),
}
