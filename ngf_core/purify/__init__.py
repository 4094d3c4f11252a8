"""Purification methods. A new one is a module here with a function of the same form as `ngf`,
and a line below."""

PURIFIERS = {
    "ngf": "ngf_core.purify.ngf:ngf",
    "sgd": "ngf_core.purify.sgd:sgd",
    "finetune": "ngf_core.purify.finetune:finetune",
}
