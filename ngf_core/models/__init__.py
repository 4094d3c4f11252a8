"""Architectures. A new one is a module here with `build(name, shape, classes)` and a line below."""

from ngf_core.registry import Entry

ARCHITECTURES = {
    "mini_preact_resnet": Entry("Mini PreAct-ResNet", "ngf_core.models.preact_resnet:build"),
    "preact_resnet18": Entry("PreAct-ResNet-18", "ngf_core.models.preact_resnet:build"),
}
