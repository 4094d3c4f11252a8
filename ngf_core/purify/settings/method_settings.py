"""What the settings of all methods have in common."""

from dataclasses import dataclass
from typing import Any, ClassVar

from ngf_core.errors import ConfigError
from ngf_core.fisher import FISHERS
from ngf_core.models.layer_names import LAST
from ngf_core.options import check_fields, option


@dataclass(frozen=True, kw_only=True)
class MethodSettings:
    """A method's own settings; a subclass per method, which the registry and the manifest name.

    method: its name in the registry. step_size_of: the setting that is its step size and may be
    chosen on clean images, "" where none may. Raises ConfigError, which names method and setting,
    for a value of the wrong type or out of bounds.
    """

    method: ClassVar[str]
    step_size_of: ClassVar[str] = ""

    @property
    def chooses_step_size(self) -> bool:
        """Whether a step size is to be chosen on clean images before the method tunes."""
        return getattr(self, "step_size", "given") == "chosen"

    def for_model(self, model: Any) -> "MethodSettings":
        """The settings with what depends on the network filled in."""
        return self

    def __post_init__(self) -> None:
        try:
            check_fields(self)
        except ConfigError as error:
            raise ConfigError(f"{self.method}.{error.field}", error.why, error.fix) from None


@dataclass(frozen=True, kw_only=True)
class LayerSettings(MethodSettings):
    """The settings of a method that tunes the layers named."""

    layer: str = option(LAST, "what is tuned: last (the layer that returns the logits), a "
                        "convolution or linear layer, a block (blocks.2, not the BatchNorm in it), "
                        "all, several of these with commas between, or auto (chosen by rule on the "
                        "clean images)")


def step_size_option(of: str) -> Any:
    """The option that has the setting `of` chosen among four before the method tunes."""
    return option("given", f"{of}: given, or chosen among four by the loss on a held-out fifth of "
                  "the clean images (costs four tunings)", choices=("given", "chosen"))


def rate_option() -> Any:
    """The option that holds the rate of SGD on the whole network."""
    return option(0.003, "learning rate on all layers (cosine)", 1e-6, 10.0)


def fisher_option(*kinds: str) -> Any:
    """The option that names the Fisher matrix, of `kinds` where a method cannot take every one."""
    meaning = {"true": "true (the model's own labels)", "empirical": "empirical (the given labels)",
               "kfac": "kfac (its Kronecker factors)", "diagonal": "diagonal"}
    allowed = kinds or FISHERS
    return option("true", "Fisher: " + ", ".join(meaning[kind] for kind in allowed),
                  choices=allowed)
