"""What a purification run is asked to do."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.data import AUGMENTATIONS
from ngf_core.fisher import FISHERS
from ngf_core.options import option
from ngf_core.purify.registry import PURIFIERS


@dataclass(frozen=True)
class PurifyConfig:
    """Purify one trained model with one or more methods, on equal clean data and budget."""

    kind: ClassVar[str] = "purify"

    source: str = option("", "id of the training run whose model is purified")
    methods: tuple[str, ...] = option(("ngf", "sgd"), "methods that race",
                                      choices=tuple(PURIFIERS))
    layer: str = option("blocks.2.conv1", "what NGF and SGD tune: a convolution or linear layer, a "
                        "block (blocks.2, not the BatchNorm in it), all, several of these with "
                        "commas between, or auto (chosen by rule on the clean images)")
    steps: int = option(100, "updates each method may make, counted in passes forward and back "
                        "over a clean batch", 1, 5000)
    seconds: float = option(0.0, "tuning seconds each method may take; 0 means no limit",
                            0.0, 86400.0)
    clean_fraction: float = option(0.05, "the defender's clean images as a share of train + clean",
                                   0.01, 0.05)
    clean_balance: str = option("drawn", "the clean images' classes: drawn as they come, or "
                                "balanced (as many of each as there are)",
                                choices=("drawn", "balanced"))
    augment: str = option("strong", "augmentation of the clean images: none, crop (as published), "
                          "strong (crop, random erasing, noise)", choices=AUGMENTATIONS)
    pool: int = option(0, "augmented copies of the clean images that all steps draw from, so that "
                       "what a tuned layer sees is computed once; 0 draws anew at every step",
                       0, 1000)
    batchnorm: str = option("recalibrated", "BatchNorm statistics: frozen as received, or "
                            "recalibrated once on the clean batches before tuning",
                            choices=("frozen", "recalibrated"))
    batch_size: int = option(256, "clean images per step (capped at the clean set)", 2, 4096)
    fisher: str = option("true", "Fisher of NGF: true (the model's own labels), empirical (the "
                         "given labels), kfac (its Kronecker factors), diagonal", choices=FISHERS)
    damping: float = option(0.1, "relative damping of NGF: lambda = damping * tr(K) / rows of K",
                            1e-8, 10.0)
    kl_bound: float = option(0.3, "first KL bound of an NGF step, decays to 0 along a cosine",
                             1e-6, 100.0)
    regulariser: float = option(0.1, "eta of the Fisher-weighted pull to the received weights",
                                0.0, 1e4)
    lr: float = option(0.01, "learning rate of sgd on the tuned layer (momentum 0.9, cosine)",
                       1e-6, 10.0)
    finetune_lr: float = option(0.003, "learning rate of finetune on all layers (momentum 0.9, "
                                "cosine)", 1e-6, 10.0)
    step_size: str = option("given", "kl_bound of NGF, lr of SGD and finetune_lr of the others: "
                            "given, or chosen among four by the loss on a held-out fifth of the "
                            "clean images (costs four tunings)", choices=("given", "chosen"))
    parameters: str = option("", "changes to the methods' own parameters, as "
                             "anp.eps=0.3,ft_sam.rho=1; on the command line, help lists them")
    evaluations: int = option(20, "how often the models are evaluated on the way", 1, 1000)
    sharpness: str = option("on", "lambda_max and Tr(F) of the tuned models along the race, on 50 "
                            "clean images of the defender's; slows it by at most a quarter",
                            choices=("on", "off"))
    seed: int = option(0, "seed of batches, augmentation and sampled labels", 0, 2**31 - 1)
