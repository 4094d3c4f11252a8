"""ISSBA (Li et al. 2021, ICCV, arXiv 2012.03816): a hidden message is the trigger."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.attacks.attack import Attack, Parameter, Report, rounded, to_uint8
from ngf_core.attacks.generator import Autoencoder, in_parts, learned, restore, seeded
from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError, NGFError

SIDE = 8  # of the picture that a message is drawn on, whatever the image's size
BATCH = 32
RATE = 2e-3
HELD_OUT = 200


class Encoder(nn.Module):
    """Images x in 0..255 and messages (n, bits) in {0, 1} to images with the message, as floats.

    A linear layer draws the message on an 8 x 8 picture, which is enlarged and laid over the image
    as further channels; a U-Net turns both into a residual of at most `limit` levels.
    """

    def __init__(self, channels: int, bits: int, limit: float) -> None:
        super().__init__()
        self.limit = limit
        self.draw = nn.Linear(bits, 2 * SIDE * SIDE)
        self.net = Autoencoder(channels + 2, channels, width=12, skips=True)

    def forward(self, x: Tensor, message: Tensor) -> Tensor:
        drawn = self.draw(2 * message - 1).view(-1, 2, SIDE, SIDE)
        drawn = F.interpolate(drawn, x.shape[-2:], mode="bilinear", align_corners=False)
        residual = self.net(torch.cat([x / 127.5 - 1, drawn], 1))
        return x + self.limit * torch.tanh(residual)


class Decoder(nn.Module):
    """Images x in 0..255 to one logit per bit of the message: (n, bits)."""

    def __init__(self, channels: int, bits: int) -> None:
        super().__init__()
        wide = (channels, 16, 32, 24)
        self.convolutions = nn.Sequential(*(
            nn.Sequential(nn.Conv2d(wide[i], wide[i + 1], 3, 1 + (i > 0), 1),
                          nn.GroupNorm(4, wide[i + 1]), nn.ReLU())
            for i in range(len(wide) - 1)))
        self.read = nn.Linear(wide[-1] * 16, bits)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.convolutions(x / 127.5 - 1)
        return self.read(F.adaptive_avg_pool2d(maps, 4).flatten(1))


@dataclass(frozen=True)
class ISSBA(Attack):
    """An encoder hides one fixed code of `bits` bits in the image; its residual is the trigger.

    Encoder E and decoder D are trained together on the attacker's images with random messages m:
    BCE(D(E(x, m)), m) + hiding * mean((E(x, m) - x)^2) / limit^2, through rounding to whole levels,
    so that the message survives being saved as a picture. Which levels change depends on the image:
    every sample has a trigger of its own. For the first half of the steps the weight of hiding is
    0, then it rises linearly to `hiding`. Afterwards the training set is poisoned once with the
    code drawn from `seed`; E and D take no part in training the classifier.

    The paper uses StegaStamp's much larger networks, whose losses also include a perceptual
    distance and a critic; both are left out, and `limit` keeps the change small instead.
    `published` has the paper's 100 bits, its 140,000 steps and its weights 2 of hiding and 1.5 of
    reading, without a limit. `default` hides 20 bits, which fit into a 32 x 32 image and are
    learned in 400 steps.
    """

    title: ClassVar[str] = "ISSBA"
    reference: ClassVar[str] = "Li et al. 2021, arXiv 2012.03816"
    formula: ClassVar[str] = (r"x' = E(x, m), \; \min_{E, D} \; "
                              r"\mathrm{BCE}(D(E(x, m)), m) + \lambda \|E(x, m) - x\|^2")
    learns: ClassVar[str] = "encoder"
    strengths: ClassVar = {
        "default": {"bits": 20, "limit": 16.0, "hiding": 1.0, "steps": 400, "accuracy": 0.95},
        "published": {"bits": 100, "limit": 255.0, "hiding": 1.33, "steps": 140000,
                      "accuracy": 0.95},
    }
    knobs: ClassVar = {
        "bits": Parameter("length of the hidden message", 1, 100, 1),
        "limit": Parameter("most levels a pixel may change by", 1.0, 255.0, 1.0),
        "hiding": Parameter("weight of the squared change against reading the bits", 0.0, 10.0,
                            0.01),
        "steps": Parameter(f"training steps of encoder and decoder, {BATCH} images each",
                           1, 140000, 1),
        "accuracy": Parameter("share of bits that must be read back from saved pictures; 0 "
                              "requires none", 0.0, 1.0, 0.01),
    }

    @property
    def code(self) -> Tensor:
        """The message that triggers the backdoor: (bits,) of 0 and 1, as floats."""
        generator = torch.Generator().manual_seed(self.seed)
        return messages(1, int(self.parameters["bits"]), generator)[0]

    def fit(self, images: Images, device: torch.device, report: Report) -> Self:
        """Train encoder and decoder on all but the last images, on which bits are then read back.

        A tenth of the images are held out, at most 200. Raises NGFError where fewer than `accuracy`
        of the bits are right.
        """
        steps, channels = int(self.parameters["steps"]), images.shape[0]
        held_out = min(HELD_OUT, max(1, len(images) // 10))
        shown, kept = images.x[:-held_out], images.x[-held_out:]
        encoder = seeded(lambda: self._new_encoder(channels), self.seed).to(device)
        decoder = seeded(lambda: self._new_decoder(channels), self.seed).to(device)
        weights = [*encoder.parameters(), *decoder.parameters()]
        optimiser = torch.optim.Adam(weights, RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=max(5, steps),
                                                       pct_start=0.1)
        generator = torch.Generator().manual_seed(self.seed + 1)
        bits, limit = int(self.parameters["bits"]), self.parameters["limit"]
        for step in range(steps):
            batch = torch.randint(len(shown), (BATCH,), generator=generator)
            x = shown[batch].to(device).float()
            message = messages(BATCH, bits, generator).to(device)
            hidden = encoder(x, message)
            read = F.binary_cross_entropy_with_logits(decoder(rounded(hidden)), message)
            # Hiding is penalised only once E carries a message; earlier, E would learn to do
            # nothing.
            weight = self.parameters["hiding"] * max(0.0, 2 * step / steps - 1)
            loss = read + weight * ((hidden - x) / limit).square().mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            if (step + 1) % 50 == 0 or step + 1 == steps:
                report(step + 1, steps, f"Training an encoder, step {step + 1} of {steps}")
        fitted = self.with_learned(learned(encoder=encoder, decoder=decoder))
        fitted._check(kept.to(device))
        return fitted

    def _check(self, x: Tensor) -> None:
        wanted, right = self.parameters["accuracy"], self.bit_accuracy(x)
        if right < wanted:
            raise NGFError(
                f"ISSBA's decoder reads {100 * right:.1f} % of the hidden bits back from saved "
                f"pictures, and {100 * wanted:g} % are required. Raise steps or limit, or lower "
                "bits or hiding.")

    def trigger(self, x: Tensor) -> Tensor:
        return self.hide(x, self.code.expand(len(x), -1))

    def hide(self, x: Tensor, message: Tensor) -> Tensor:
        """Images x (uint8) with messages (n, bits) hidden in them, uint8."""
        self._require_learned()
        encoder = self._encoder.to(x.device)
        return in_parts(lambda x, message: to_uint8(encoder(x.float(), message)),
                        x, message.to(x.device), size=_part(x))

    def read(self, x: Tensor) -> Tensor:
        """The bits (n, bits) that the decoder reads from images x (uint8), 0. or 1."""
        self._require_learned()
        decoder = self._decoder.to(x.device)
        return in_parts(lambda x: (decoder(x.float()) > 0).float(), x, size=_part(x))

    def bit_accuracy(self, x: Tensor) -> float:
        """Share of the bits read back correctly from images x with random messages, as uint8.

        Each image has a message of its own: a decoder with a constant output scores one half.
        """
        generator = torch.Generator().manual_seed(self.seed + 2)
        message = messages(len(x), int(self.parameters["bits"]), generator).to(x.device)
        return (self.read(self.hide(x, message)) == message).float().mean().item()

    def _require_learned(self) -> None:
        if not self.ready:
            raise ConfigError("attack", "ISSBA has not learned its encoder yet",
                              "Train a run with it first.")

    def _new_encoder(self, channels: int) -> Encoder:
        return Encoder(channels, int(self.parameters["bits"]), self.parameters["limit"])

    def _new_decoder(self, channels: int) -> Decoder:
        return Decoder(channels, int(self.parameters["bits"]))

    @cached_property
    def _encoder(self) -> nn.Module:
        blank = seeded(lambda: self._new_encoder(self.shape[0]), self.seed)
        return restore(blank, "encoder", self.learned)

    @cached_property
    def _decoder(self) -> nn.Module:
        blank = seeded(lambda: self._new_decoder(self.shape[0]), self.seed)
        return restore(blank, "decoder", self.learned)


def messages(n: int, bits: int, generator: torch.Generator) -> Tensor:
    """n random messages (n, bits) of 0 and 1, as floats."""
    return torch.randint(2, (n, bits), generator=generator).float()


def _part(x: Tensor) -> int:
    """Images per pass: as many pixels as 256 of 32 x 32, since a U-Net holds many maps of each."""
    return max(1, 256 * 32 * 32 // (x.shape[2] * x.shape[3]))
