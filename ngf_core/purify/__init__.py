"""Purification methods. A new one is a module here with a function of the same form as `ngf`,
and a line below."""

from dataclasses import dataclass

from ngf_core.registry import Entry


@dataclass(frozen=True)
class PurifierEntry(Entry):
    """`tunes` says what a method may change: the `layer` it is told, the whole `network`, nothing
    but the channels' `scales`, or nothing but which `channels` are kept. A `data_free` one decides
    without an image, at once."""

    tunes: str = "network"
    data_free: bool = False


PURIFIERS = {
    "ngf": PurifierEntry("NGF", "ngf_core.purify.ngf:ngf", "layer"),
    "sgd": PurifierEntry("SGD", "ngf_core.purify.sgd:sgd", "layer"),
    "finetune": PurifierEntry("Fine-tuning", "ngf_core.purify.finetune:finetune"),
    "ft_sam": PurifierEntry("FT-SAM", "ngf_core.purify.ft_sam:ft_sam"),
    "nad": PurifierEntry("NAD", "ngf_core.purify.nad:nad"),
    "ibau": PurifierEntry("I-BAU", "ngf_core.purify.ibau:ibau"),
    "fip": PurifierEntry("FIP", "ngf_core.purify.fip:fip"),
    "fast_fip": PurifierEntry("Fast FIP", "ngf_core.purify.fast_fip:fast_fip"),
    "nft": PurifierEntry("NFT", "ngf_core.purify.nft:nft", "scales"),
    "clp": PurifierEntry("CLP", "ngf_core.purify.clp:clp", "channels", data_free=True),
    "fine_pruning": PurifierEntry("Fine-Pruning", "ngf_core.purify.fine_pruning:fine_pruning"),
    "anp": PurifierEntry("ANP", "ngf_core.purify.anp:anp", "channels"),
    "rnp": PurifierEntry("RNP", "ngf_core.purify.rnp:rnp", "channels"),
    "awm": PurifierEntry("AWM", "ngf_core.purify.awm:awm"),
    "neural_cleanse": PurifierEntry("Neural Cleanse",
                                    "ngf_core.purify.neural_cleanse:neural_cleanse"),
    "mcr": PurifierEntry("MCR", "ngf_core.purify.mcr:mcr"),
}
