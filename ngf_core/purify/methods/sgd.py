"""Stochastic gradient descent on NGF's layers: the control that NGF is measured against."""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.models.build import tuned_layers
from ngf_core.purify.batches import CleanSet, clean_batches
from ngf_core.purify.batchnorm import recalibrate_batchnorm
from ngf_core.purify.budget import Budget
from ngf_core.purify.kept_activations import tuned_network
from ngf_core.purify.settings.sgd import SGD
from ngf_core.purify.step import Diverged, Step, Stopwatch, cosine
from ngf_core.purify.weights import assign, flat, only_trainable


def sgd(model: nn.Module, clean: CleanSet, own: SGD, budget: Budget) -> Iterator[Step]:
    """Tune `own.layer` by SGD with momentum 0.9 and a cosine learning rate."""
    layers = list(tuned_layers(model, own.layer).values())
    return descend(model, layers, clean, budget, own.for_model(model).lr)


def descend(model: nn.Module, tuned: Sequence[nn.Module], clean: CleanSet, budget: Budget,
            lr: float) -> Iterator[Step]:
    """SGD on the parameters of `tuned`, layers of the model or the model, from rate `lr`.

    Raises Diverged, back at the last weights of a finite loss, when the loss is no longer finite,
    and ConfigError where the model's answers depend on nothing that is tuned.
    """
    parameters = [p for module in tuned for p in module.parameters()]
    device = parameters[0].device
    batches = clean_batches(clean, budget, device)
    only_trainable(model, parameters)
    optimiser = torch.optim.SGD(parameters, lr, momentum=0.9)
    watch = Stopwatch()
    before = flat(parameters)
    if budget.batchnorm == "recalibrated":
        with watch:
            recalibrate_batchnorm(model, batches)
    network = model
    if list(tuned) != [model]:
        with watch:
            network, batches = tuned_network(model, tuned, batches)
    for step in range(budget.steps):
        with watch:
            x, y = batches(step)
            for group in optimiser.param_groups:
                group["lr"] = lr * cosine(step, budget.steps)
            logits = network(x)
            if not logits.requires_grad:
                raise ConfigError("layer", "the model's answers do not depend on it",
                                  "Choose a layer that they depend on.")
            loss = F.cross_entropy(logits, y)
            if not torch.isfinite(loss):
                assign(parameters, before)
                raise Diverged(f"SGD diverged at step {step + 1}: the clean loss is no longer "
                               "finite. Use a smaller learning rate (a tenth).")
            before = flat(parameters)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        yield Step(step + 1, loss.item(), watch.seconds)
