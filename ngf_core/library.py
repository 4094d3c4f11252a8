"""Purification of any model in a few lines of Python, without runs and data sets:

    purified = purify(model, clean_data, NGF(layer="auto"), Budget(steps=100))

Settings and budget are those of `ngf_core.purify`.
"""

import copy
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ngf_core.data.augment import are_images, clipped
from ngf_core.data.examples import Batches, Examples, gathered, shuffled
from ngf_core.data.floats import as_floats
from ngf_core.errors import ConfigError, NGFError
from ngf_core.models.answers import Logits, answering, logits_of, uncompile_parts, uncompiled
from ngf_core.models.build import last_layer, tunable_layers
from ngf_core.models.layer_names import AUTO, LAST
from ngf_core.options import check_fields
from ngf_core.purify.batches import CleanSet, settled
from ngf_core.purify.budget import Budget
from ngf_core.purify.method import purifier
from ngf_core.purify.precision import check_finite, not_coarse, working_dtype
from ngf_core.purify.registry import PURIFIERS, PurifierEntry
from ngf_core.purify.settings import NGF, LayerSettings, MethodSettings
from ngf_core.purify.step import Step

Clean = Batches | CleanSet


def purify(model: nn.Module, clean_data: Clean, settings: MethodSettings,
           budget: Budget | None = None, *, logits: Logits | None = None,
           batch: Callable[[Any], Any] | None = None) -> nn.Module:
    """A purified copy of `model`; the given one is not touched, nor are the data.

    The copy differs in its numbers alone (weights and BatchNorm's statistics): it has the given
    one's mode, and requires gradients where that does. Frozen parameters are tuned like others.

    model: any on one device that returns logits (n, classes). One that torch.compile has wrapped is
    taken out, and the copy is not compiled. One in half precision is tuned in float32 and has its
    own dtype again in the end. clean_data: batches of (inputs, labels), or one such pair; read once
    and kept, so that a generator works, and shuffled by the budget's seed, so that they may be
    sorted by class (`Images` and `Examples` of this package keep their order). Inputs are floats of
    any shape, as the model takes them, or uint8, which become x / 255. budget: `Budget()` where
    None.
    logits: from what the model answers, where that is more, to its logits; by default their place
    is found where it is unambiguous (`ngf_core.models.answers.logits_of`). batch: from a batch that
    is no pair to (inputs, labels); by default likewise (`ngf_core.data.examples.pair`).

    Raises NGFError where model, data and method do not fit together, Diverged where the method
    cannot continue. `Purification` yields the steps, and keeps what they reached even then.
    """
    work = Purification(model, clean_data, settings, budget, logits=logits, batch=batch)
    for _ in work:
        pass
    return work.model


class Purification:
    """A purification step by step: iterating over it performs it, and yields its `Step`s.

    A second iteration starts again from the model the first has left.

    model: the working copy, purified once the iteration has ended; where that ends early (Diverged,
    a break), as it was then. layer: what is tuned, as chosen where the settings hold auto ("" where
    the method takes none). found: what the method reported. last: the last step, None before.
    """

    @torch.inference_mode(False)
    @torch.enable_grad()
    def __init__(self, model: nn.Module, clean_data: Clean, settings: MethodSettings,
                 budget: Budget | None = None, *, logits: Logits | None = None,
                 batch: Callable[[Any], Any] | None = None) -> None:
        budget = Budget() if budget is None else budget
        if not isinstance(settings, MethodSettings):
            raise ConfigError("settings", f"{settings!r} is not the settings of a method",
                              "Give NGF(), ANP(eps=0.3) or another of ngf_core.purify.")
        if not isinstance(budget, Budget):
            raise ConfigError("budget", f"{budget!r} is not a budget", "Give Budget(steps=100).")
        check_fields(budget)
        self.model = _copied(model)
        device, dtype = next(self.model.parameters()).device, working_dtype(self.model)
        clean = clean_data if isinstance(clean_data, CleanSet) else \
            shuffled(gathered(clean_data, device, batch), budget.seed)
        self._budget = settled(budget, clean)
        if clean.x.dtype != torch.uint8 or dtype != torch.float32:
            clean = Examples(clipped(as_floats(clean.x)).to(dtype), clean.y)
        self._clean = clean
        with _as_given(self.model):
            self._logits = _check(self.model, PURIFIERS[settings.method], clean, logits)
            with answering(self.model, self._logits):
                self._settings = self._with_layer(settings)
        self.layer = self._settings.layer if isinstance(self._settings, LayerSettings) else ""
        self.found: dict[str, Any] = {}
        self.last: Step | None = None

    @torch.inference_mode(False)  # at each step, whatever the caller's mode
    @torch.enable_grad()
    def __iter__(self) -> Iterator[Step]:
        tune, budget = purifier(self._settings.method), self._budget
        with _as_given(self.model), answering(self.model, self._logits):
            for step in tune(self.model, self._clean, self._settings, budget):
                self.last = step
                self.found |= step.found or {}
                yield step
                if 0 < budget.seconds <= step.seconds:
                    return

    def _with_layer(self, settings: MethodSettings) -> MethodSettings:
        """The settings with the last layer's name where they hold last, and with a layer chosen
        where they hold auto."""
        if not isinstance(settings, LayerSettings) or settings.layer not in (AUTO, LAST):
            return settings
        if settings.layer == LAST:
            return dataclasses.replace(settings, layer=last_layer(self.model))
        from ngf_core.layers import choose_layer  # which loads what only a choice needs

        ngf = settings if isinstance(settings, NGF) else None
        chosen = choose_layer(self.model, self._clean, self._budget, ngf)
        return dataclasses.replace(settings, layer=chosen.layer)


def _copied(model: nn.Module) -> nn.Module:
    """A copy that can be tuned; NGFError where the model cannot be copied or tuned."""
    if not isinstance(model, nn.Module):
        raise ConfigError("model", f"a {type(model).__name__} is not a torch.nn.Module",
                          "Give the network itself.")
    model = uncompiled(model)
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        raise ConfigError("model", f"a {type(model).__name__} spreads over several devices",
                          "Give what it wraps, model.module.")
    if len({p.device for p in model.parameters()}) > 1:
        raise ConfigError("model", "its parameters are on several devices", "Move them to one.")
    for name, module in model.named_modules():
        norm = isinstance(module, _BatchNorm)
        if not norm and not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        if norm and module.running_var is None:
            raise ConfigError("model", f"the BatchNorm {name} keeps no running statistics",
                              "Use track_running_stats=True, or another normalisation.")
        if "weight" not in module._parameters:
            raise ConfigError("model", f"the weight of {name} is computed from others",
                              "Make it plain first, by torch.nn.utils.parametrize."
                              "remove_parametrizations or remove_weight_norm.")
    owners: dict[int, str] = {}
    for name, layer in tunable_layers(model).items():
        other = owners.setdefault(id(layer.weight), name)
        if other != name:
            raise ConfigError("model", f"the layers {other} and {name} share one weight, and "
                              "methods tune or mask each layer separately",
                              "Give each its own copy of the weight.")
    if not owners:
        raise ConfigError("model", "it has no convolution (nn.Conv2d) and no linear layer",
                          "Methods tune or mask these.")
    check_finite(model)
    try:
        copied = copy.deepcopy(model)
    except Exception as error:  # whatever a model's own attributes raise
        raise NGFError(f"The model cannot be copied ({error}). Give one that copy.deepcopy can "
                       "copy: detach tensors kept as attributes.") from error
    uncompile_parts(copied)
    return copied


@contextmanager
def _as_given(model: nn.Module) -> Iterator[None]:
    """Restores modes, gradients and dtypes afterwards. Until then nothing is coarser than float32,
    and no activation works in place, which would overwrite what natural gradients are computed
    from."""
    modes = [(m, m.training) for m in model.modules()]
    in_place = [m for m in model.modules() if getattr(m, "inplace", False)]
    wanted = [(p, p.requires_grad) for p in model.parameters()]
    for module in in_place:
        module.inplace = False  # type: ignore[assignment]  # an activation's own flag
    try:
        with not_coarse(model):
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        for module in in_place:
            module.inplace = True  # type: ignore[assignment]
        for parameter, wants in wanted:
            parameter.requires_grad_(wants).grad = None


def _check(model: nn.Module, entry: PurifierEntry, clean: CleanSet, logits: Logits | None
           ) -> Logits | None:
    """What makes logits of the model's answers; None where they are logits.

    NGFError where these do not cover the labels, or the method cannot work on the inputs; the model
    is left in eval mode."""
    if len(clean) < 2:
        raise ConfigError("clean_data", "it holds a single example", "Give at least two.")
    if entry.images and not are_images(clean.x):
        raise ConfigError("clean_data", f"{entry.title} adds patterns to images, and these inputs "
                          "are not (n, channels, height, width) with values in [0, 1]", "Move the "
                          "scaling of the inputs into the model, or use another method.")
    try:
        with torch.no_grad():
            answer = model.eval()(as_floats(clean.take(slice(0, 2)).x).to(
                next(model.parameters()).device))
    except Exception as error:  # whatever a forward pass raises on inputs it was not made for
        raise NGFError(f"The model does not run on the clean inputs, of shape "
                       f"{tuple(clean.shape)}: {error}") from error
    try:
        found = answer if logits is None else logits(answer)
    except Exception as error:  # whatever a caller's function raises
        raise ConfigError("logits", f"it fails on the model's answer, a {type(answer).__name__} "
                          f"({error!r})", "Let it return the logits (n, classes).") from error
    classes = logits_of(found).shape[1]
    if clean.y.max() >= classes:
        raise ConfigError("clean_data", f"a label is {int(clean.y.max())}, and the model has "
                          f"{classes} classes", "Count classes from 0.")
    return logits_of if logits is None and not isinstance(answer, Tensor) else logits
