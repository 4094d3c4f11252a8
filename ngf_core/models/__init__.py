"""Architectures. A new one is a module here with `build(name, shape, classes)`, and an entry below.

`build` returns a network for images of `shape` (C, H, W), any number of channels and any size,
that takes them as they are (`Normalise` comes first) and returns logits (n, classes). Dropout is
left out: its masks would come from the global random state, and the same config would not give the
same run.
"""

from dataclasses import dataclass

from ngf_core.registry import Entry


@dataclass(frozen=True)
class ArchitectureEntry(Entry):
    """`layer` is tuned unless another is requested: the last block's first convolution.

    In a VGG a block is what lies between two poolings, in a MobileNet its first convolution is
    the 1x1 expansion, and in a transformer it is the first linear layer of the last block's MLP.
    """

    layer: str


PREACT, WIDE = "ngf_core.models.preact_resnet:build", "ngf_core.models.wide_resnet:build"
RESNET, VGG = "ngf_core.models.resnet:build", "ngf_core.models.vgg:build"
MOBILENET, VIT = "ngf_core.models.mobilenet:build", "ngf_core.models.vit:build"

ARCHITECTURES = {
    "mini_preact_resnet": ArchitectureEntry("Mini PreAct-ResNet", PREACT, "blocks.2.conv1"),
    "mini_resnet": ArchitectureEntry("Mini ResNet", RESNET, "layer4.0.conv1"),
    "mini_vgg": ArchitectureEntry("Mini VGG", VGG, "features.14"),
    "mini_mobilenet": ArchitectureEntry("Mini MobileNet", MOBILENET, "features.4.conv.0.0"),
    "mini_vit": ArchitectureEntry("Mini ViT", VIT, "blocks.3.linear1"),
    "preact_resnet18_w16": ArchitectureEntry("PreAct-ResNet-18, width 16", PREACT,
                                             "blocks.7.conv1"),
    "preact_resnet18_w32": ArchitectureEntry("PreAct-ResNet-18, width 32", PREACT,
                                             "blocks.7.conv1"),
    "preact_resnet18": ArchitectureEntry("PreAct-ResNet-18", PREACT, "blocks.7.conv1"),
    "preact_resnet34": ArchitectureEntry("PreAct-ResNet-34", PREACT, "blocks.15.conv1"),
    "wide_resnet16_1": ArchitectureEntry("Wide ResNet 16-1", WIDE, "blocks.5.conv1"),
    "wide_resnet28_10": ArchitectureEntry("Wide ResNet 28-10", WIDE, "blocks.11.conv1"),
    "resnet18": ArchitectureEntry("ResNet-18", RESNET, "layer4.1.conv1"),
    "resnet34": ArchitectureEntry("ResNet-34", RESNET, "layer4.2.conv1"),
    "resnet50": ArchitectureEntry("ResNet-50", RESNET, "layer4.2.conv1"),
    "vgg11_bn": ArchitectureEntry("VGG-11 with BatchNorm", VGG, "features.22"),
    "vgg19_bn": ArchitectureEntry("VGG-19 with BatchNorm", VGG, "features.40"),
    "mobilenet_v2": ArchitectureEntry("MobileNetV2", MOBILENET, "features.17.conv.0.0"),
    "vit_small": ArchitectureEntry("ViT-Small", VIT, "blocks.11.linear1"),
}
