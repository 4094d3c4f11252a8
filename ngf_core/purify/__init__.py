"""Purification methods. A new one is a module here with a function of the same form as `ngf`,
and a line below."""

from ngf_core.registry import Entry

PURIFIERS = {
    "ngf": Entry("NGF", "ngf_core.purify.ngf:ngf"),
    "sgd": Entry("SGD", "ngf_core.purify.sgd:sgd"),
    "finetune": Entry("Fine-tuning", "ngf_core.purify.finetune:finetune"),
}
