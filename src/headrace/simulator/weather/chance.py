"""One fault's dice, which no other fault throws."""

from __future__ import annotations

from collections.abc import Callable
from random import Random


class Chance:
    """Whether a fault strikes, and how; ``rate`` is its probability at each opportunity.

    ``clock`` gives epoch seconds. ``count`` is called with the name each time the fault changed something.
    """

    def __init__(
        self, name: str, seed: int, rate: float, clock: Callable[[], float], count: Callable[[str], None]
    ) -> None:
        self.clock = clock
        self.random = Random(f"{seed}/{name}")  # noqa: S311  # Reproducible is the point; nothing is secret.
        self._name = name
        self._seed = seed
        self._rate = rate
        self._count = count

    def hits(self) -> bool:
        """One throw: whether it strikes at this opportunity."""
        return self.random.random() < self._rate

    def fate(self, of: str) -> Random | None:
        """A throw that is the same whenever it is asked for: None, or dice of its own for what it befalls."""
        random = Random(f"{self._seed}/{self._name}/{of}")  # noqa: S311  # As above.
        return random if random.random() < self._rate else None

    def happened(self) -> None:
        """Count it."""
        self._count(self._name)


class While:
    """A state that ends by itself."""

    def __init__(self) -> None:
        self._until = float("-inf")

    def begin(self, now: float, seconds: float) -> None:
        """Last for so long from now on, unless it lasts longer already."""
        self._until = max(self._until, now + seconds)

    def lasts(self, now: float) -> bool:
        """Whether it has not ended."""
        return now < self._until
