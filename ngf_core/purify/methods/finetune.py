"""Full fine-tuning: SGD on every parameter, the strongest simple baseline."""

from collections.abc import Iterator

from torch import nn

from ngf_core.purify.batches import CleanSet
from ngf_core.purify.budget import Budget
from ngf_core.purify.methods.sgd import descend
from ngf_core.purify.settings.finetune import FineTuning
from ngf_core.purify.step import Step


def finetune(model: nn.Module, clean: CleanSet, own: FineTuning, budget: Budget) -> Iterator[Step]:
    """Tune the whole network by SGD with momentum 0.9 and a cosine learning rate."""
    return descend(model, [model], clean, budget, own.lr)
