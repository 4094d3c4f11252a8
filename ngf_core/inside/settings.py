"""What one look inside the models of a run rests on."""

import shlex
from dataclasses import dataclass

from ngf_core.errors import ConfigError

FEWEST, MOST = 20, 1000


@dataclass(frozen=True)
class Look:
    """`images` clean and as many triggered test images, drawn by `seed`; `layer` is the one whose
    channels are read, "" for the last convolution.

    Raises ConfigError for a number out of range.
    """

    images: int = 200
    seed: int = 0
    layer: str = ""

    def __post_init__(self) -> None:
        if not FEWEST <= self.images <= MOST:
            raise ConfigError("images", f"{self.images} is out of range",
                              f"Use a whole number from {FEWEST} to {MOST}.")
        if not 0 <= self.seed < 2**31:
            raise ConfigError("seed", f"{self.seed} is out of range",
                              "Use a whole number from 0 to 2147483647.")

    def command(self, run_id: str) -> str:
        """The command that looks inside the models of a run with these settings."""
        words = ["python", "-m", "ngf_core", "inside", run_id]
        for name in ("images", "seed", "layer"):
            if (value := getattr(self, name)) != getattr(Look, name):
                words += [f"--{name}", str(value)]
        return shlex.join(words)
