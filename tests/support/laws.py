"""Laws that hypothesis looks for exceptions to, on engines of which some take much longer than others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.engines.harness import Harness


def hold(law: Callable[..., None], harness: Harness, *, examples: int, **drawn: st.SearchStrategy) -> None:
    """Ask for ``examples`` of a law, of an engine that takes longer for each its share of them.

    ``law`` is called with what is ``drawn``, by name.
    """

    @settings(
        max_examples=max(1, round(examples * harness.share)),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(example=st.fixed_dictionaries(drawn))
    def holds(example: dict[str, Any]) -> None:
        law(**example)

    holds()
