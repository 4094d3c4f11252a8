"""Architectures. A new one is a module here with `build(name, shape, classes)`, and an entry below.

`build` returns a network for images of `shape` (C, H, W), any number of channels and any size,
that takes them as they are (`Normalise` comes first) and returns logits (n, classes). Dropout is
left out: its masks would come from the global random state, and the same config would not give the
same run.
"""

from ngf_core.registry import Entry

PREACT, WIDE = "ngf_core.models.preact_resnet:build", "ngf_core.models.wide_resnet:build"
RESNET, VGG = "ngf_core.models.resnet:build", "ngf_core.models.vgg:build"
MOBILENET, VIT = "ngf_core.models.mobilenet:build", "ngf_core.models.vit:build"

ARCHITECTURES = {
    "mini_preact_resnet": Entry("Mini PreAct-ResNet", PREACT),
    "mini_resnet": Entry("Mini ResNet", RESNET),
    "mini_vgg": Entry("Mini VGG", VGG),
    "mini_mobilenet": Entry("Mini MobileNet", MOBILENET),
    "mini_vit": Entry("Mini ViT", VIT),
    "preact_resnet18_w16": Entry("PreAct-ResNet-18, width 16", PREACT),
    "preact_resnet18_w32": Entry("PreAct-ResNet-18, width 32", PREACT),
    "preact_resnet18": Entry("PreAct-ResNet-18", PREACT),
    "preact_resnet34": Entry("PreAct-ResNet-34", PREACT),
    "wide_resnet16_1": Entry("Wide ResNet 16-1", WIDE),
    "wide_resnet28_10": Entry("Wide ResNet 28-10", WIDE),
    "resnet18": Entry("ResNet-18", RESNET),
    "resnet34": Entry("ResNet-34", RESNET),
    "resnet50": Entry("ResNet-50", RESNET),
    "vgg11_bn": Entry("VGG-11 with BatchNorm", VGG),
    "vgg19_bn": Entry("VGG-19 with BatchNorm", VGG),
    "mobilenet_v2": Entry("MobileNetV2", MOBILENET),
    "vit_small": Entry("ViT-Small", VIT),
}
