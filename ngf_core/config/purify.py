"""The settings of a purification run."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.config.defender import Defender
from ngf_core.config.methods import layers_of, methods_option, names_of
from ngf_core.options import option
from ngf_core.purify.registry import PURIFIERS
from ngf_core.purify.settings import NGF, SGD, MethodSettings


@dataclass(frozen=True, kw_only=True)
class PurifyConfig(Defender):
    """Purify one trained model with one or more methods, on equal clean data and budget."""

    kind: ClassVar[str] = "purify"

    source: str = option("", "id of the training run whose model is purified")
    methods: tuple[MethodSettings, ...] = methods_option(
        (NGF(), SGD()), "methods that race", tuple(PURIFIERS))
    evaluations: int = option(20, "how often the models are evaluated along the race", 1, 1000)
    sharpness: str = option("on", "lambda_max and Tr(F) of the tuned models along the race, on 50 "
                            "of the defender's clean images; slows it by at most a quarter",
                            choices=("on", "off"))

    @property
    def names(self) -> tuple[str, ...]:
        """The methods by name, in their order."""
        return names_of(self.methods)

    @property
    def layers(self) -> dict[str, str]:
        """The layers named for the methods that tune named layers, by the method's name."""
        return layers_of(self.methods)
