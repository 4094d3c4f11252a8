"""Families of networks that are recognised by their tensors. A new one is a module and an entry.

A module has `network(shapes, hints) -> Network | None`: the network whose tensors have these names,
with widths, depths, classes and channels read from the shapes, or None where the names are not of
this family. It is called under `torch.device("meta")` too, so it must not compute with values.
Whether all shapes agree is checked by `ngf_core.imports.recognise`.
"""

from ngf_core.registry import Entry

NETWORKS = {
    "preact_resnet": Entry("PreAct-ResNet with BackdoorBench's names",
                           "ngf_core.imports.networks.preact_resnet:network"),
    "cifar_resnet": Entry("ResNet for small images with shortcut and linear",
                          "ngf_core.imports.networks.cifar_resnet:network"),
    "timm_vit": Entry("Vision transformer with timm's names",
                      "ngf_core.imports.networks.timm_vit:network"),
    "torchvision": Entry("torchvision's networks",
                         "ngf_core.imports.networks.from_torchvision:network"),
    "own": Entry("NGF Lab's own networks", "ngf_core.imports.networks.own:network"),
}
