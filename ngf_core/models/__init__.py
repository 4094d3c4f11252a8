"""Architectures. A new one is a module here with `build(name, shape, classes)` and a line below."""

ARCHITECTURES = {
    "mini_preact_resnet": "ngf_core.models.preact_resnet",
    "preact_resnet18": "ngf_core.models.preact_resnet",
}
