"""Purification methods. A new one is a module here with a function of the same form as `ngf`,
and a line below."""

from dataclasses import dataclass

from ngf_core.registry import Entry


@dataclass(frozen=True)
class PurifierEntry(Entry):
    """`tunes` says what a method may change: the `layer` it is told, or the whole `network`."""

    tunes: str = "network"


PURIFIERS = {
    "ngf": PurifierEntry("NGF", "ngf_core.purify.ngf:ngf", "layer"),
    "sgd": PurifierEntry("SGD", "ngf_core.purify.sgd:sgd", "layer"),
    "finetune": PurifierEntry("Fine-tuning", "ngf_core.purify.finetune:finetune"),
}
