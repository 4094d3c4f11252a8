"""The settings of a run: one frozen dataclass per kind of run, JSON both ways, hashed."""

from ngf_core.config.audit import AuditConfig
from ngf_core.config.imported import ImportConfig
from ngf_core.config.kinds import (
    CONFIGS,
    Config,
    ModelConfig,
    config_sha,
    flat,
    from_json,
    to_json,
    validate,
)
from ngf_core.config.landscape import LandscapeConfig
from ngf_core.config.layers import LayersConfig
from ngf_core.config.purify import PurifyConfig
from ngf_core.config.spectrum import SpectrumConfig
from ngf_core.config.train import TrainConfig

__all__ = ["AuditConfig", "CONFIGS", "Config", "ImportConfig", "LandscapeConfig", "LayersConfig",
           "ModelConfig", "PurifyConfig", "SpectrumConfig", "TrainConfig", "config_sha", "flat",
           "from_json", "to_json", "validate"]
