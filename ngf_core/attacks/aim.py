"""Whether an attack does what its author wants: it takes, nobody notices, and it needed the poison.
"""

from typing import NamedTuple

from ngf_core.attacks import ATTACKS

MOST_LOST, MOST_FLOOR = 0.02, 0.10


class Missed(NamedTuple):
    """Which of the aims a backdoored model misses."""

    asr: bool
    lost: bool
    floor: bool


def missed(attack: str, asr: float, lost: float, floor: float) -> Missed:
    """asr: at least the attack's own aim. lost: ACC of the benign model of the same seed minus the
    backdoored one's, at most `MOST_LOST`. floor: the benign model's ASR under the same trigger, at
    most `MOST_FLOOR`; above it the trigger does part of the work by itself. Fractions; what is not
    known (NaN) misses nothing.
    """
    # Rounded, since 0.99 - 0.97 is a little more than 0.02 in floats.
    return Missed(asr < ATTACKS[attack].aim, round(lost, 9) > MOST_LOST, floor > MOST_FLOOR)
