"""The names of the runs that are made in numbers: those of the zoo and of the benchmark."""

# The network of the zoo and of the benchmark. Names of runs leave it out.
ZOO_ARCH = "preact_resnet18_w16"


def model_name(dataset: str, arch: str, attack: str, seed: int) -> str:
    """The part of the runs' names that all runs on one trained model share.

    signs-badnets-s0 where `arch` is ZOO_ARCH, else signs-mini_vgg-badnets-s0.
    """
    network = "" if arch == ZOO_ARCH else f"-{arch}"
    return f"{dataset}{network}-{attack}-s{seed}"
