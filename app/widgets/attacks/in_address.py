"""Settings of images and attack as the address of Attacks or Configure."""

from ngf_core.config import TrainConfig

OF_ATTACKS = ("dataset", "attack", "strength", "parameters", "poison_rate")
OF_CONFIGURE = ("root", "limit", "size", "target", *OF_ATTACKS)


def in_address(config: TrainConfig, names: tuple[str, ...]) -> dict[str, str]:
    """Those of the named settings that are not at their default."""
    usual = TrainConfig()
    return {name: str(getattr(config, name)) for name in names
            if getattr(config, name) != getattr(usual, name)}
