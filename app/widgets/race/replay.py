"""The clock of a replay: which recorded evaluation is shown now."""

from dataclasses import dataclass, replace

SECONDS = 8.0


@dataclass(frozen=True)
class Replay:
    """A replay of `total` recorded evaluations that takes 8 / `speed` seconds from end to end.

    `base` is the position when the clock was last set and `since` that moment (None while
    paused), so the position follows from the time and a missed tick loses nothing.
    """

    total: int
    base: int = 0
    since: float | None = None
    speed: float = 1.0

    @property
    def last(self) -> int:
        """The final position."""
        return max(0, self.total - 1)

    @property
    def tick(self) -> float:
        """Seconds between two redraws: one evaluation each, at least a quarter of a second."""
        return max(0.25, SECONDS / max(1, self.last) / self.speed)

    def position(self, now: float) -> int:
        """The evaluation shown at time `now`, from 0 to `last`."""
        if self.since is None:
            return min(self.base, self.last)
        passed = max(0.0, now - self.since) * self.speed * self.last / SECONDS
        return min(self.last, self.base + int(passed))

    def playing(self, now: float) -> bool:
        """True while the clock runs and the end is not reached."""
        return self.since is not None and self.position(now) < self.last

    def play(self, now: float) -> "Replay":
        """Continue from here, or from the start if the end is reached."""
        base = 0 if self.position(now) >= self.last else self.position(now)
        return replace(self, base=base, since=now)

    def pause(self, now: float) -> "Replay":
        """Stop here."""
        return replace(self, base=self.position(now), since=None)

    def restart(self, now: float) -> "Replay":
        """Play from the start."""
        return replace(self, base=0, since=now)

    def step(self, now: float, by: int) -> "Replay":
        """Stop `by` evaluations further, within the recording."""
        return self.go_to(self.position(now) + by)

    def go_to(self, position: int) -> "Replay":
        """Stop at a position, within the recording."""
        return replace(self, base=min(self.last, max(0, position)), since=None)

    def at_speed(self, now: float, speed: float) -> "Replay":
        """Change the speed; position and playing stay."""
        since = now if self.since is not None else None
        return replace(self, base=self.position(now), since=since, speed=speed)
