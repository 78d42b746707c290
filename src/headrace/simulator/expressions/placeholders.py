"""``#name`` and ``:value``: each is defined, and each is used."""

from __future__ import annotations

import re
from typing import Any

from headrace.simulator.answers import Refusal, invalid
from headrace.simulator.items import Value, canonical_value

_KEY = re.compile(r"[A-Za-z0-9_]+")
# Developer guide, "Constraints in Amazon DynamoDB" (Expression parameters).
MAX_KEY_BYTES = 255
MAX_BYTES = 2 * 1024 * 1024


class Placeholders:
    """A request's ExpressionAttributeNames and ExpressionAttributeValues, and which of them were used.

    ``with_values`` are the request's parameters whose expressions may use values; ``without`` those that
    may use names only. Raises a ValidationException where placeholders come without any expression.
    """

    def __init__(
        self, request: dict[str, Any], with_values: tuple[str, ...], without: tuple[str, ...] = ()
    ) -> None:
        names: dict[str, str] | None = request.get("ExpressionAttributeNames")
        values: dict[str, Any] | None = request.get("ExpressionAttributeValues")
        if names is not None and not any(name in request for name in with_values + without):
            raise invalid("ExpressionAttributeNames can only be specified when using expressions")
        if values is not None and not any(name in request for name in with_values):
            verb = "are" if len(with_values) > 1 else "is"
            raise invalid(
                "ExpressionAttributeValues can only be specified when using expressions: "
                f"{' and '.join(with_values)} {verb} null"
            )
        _check_keys("ExpressionAttributeNames", "#", names)
        _check_keys("ExpressionAttributeValues", ":", values)
        self._names = names or {}
        weighed = {key: _value(key, value) for key, value in (values or {}).items()}
        self._values = {key: value for key, (value, _) in weighed.items()}
        size = sum(len(key) + weight for key, (_, weight) in weighed.items())
        size += sum(len(key) + len(name.encode()) for key, name in self._names.items())
        if size > MAX_BYTES:
            raise invalid(f"The placeholders of an expression weigh {size} bytes, more than {MAX_BYTES}")
        self._used: set[str] = set()

    def name(self, key: str) -> str:
        """The attribute name that ``#key`` stands for."""
        if key not in self._names:
            raise invalid(
                "An expression attribute name used in the document path is not defined; "
                f"attribute name: {key}"
            )
        self._used.add(key)
        return self._names[key]

    def value(self, key: str) -> Value:
        """The canonical value that ``:key`` stands for."""
        if key not in self._values:
            raise invalid(
                f"An expression attribute value used in expression is not defined; attribute value: {key}"
            )
        self._used.add(key)
        return self._values[key]

    def finish(self) -> None:
        """All expressions are parsed: raise if one was given for nothing."""
        for parameter, given in (
            ("ExpressionAttributeNames", self._names),
            ("ExpressionAttributeValues", self._values),
        ):
            unused = [key for key in given if key not in self._used]
            if unused:
                raise invalid(
                    f"Value provided in {parameter} unused in expressions: keys: {{{', '.join(unused)}}}"
                )


def _check_keys(parameter: str, sign: str, given: dict[str, Any] | None) -> None:
    if given is None:
        return
    if not given:
        raise invalid(f"{parameter} must not be empty")
    for key in given:
        if not key.startswith(sign) or not _KEY.fullmatch(key[1:]):
            raise invalid(f'{parameter} contains invalid key: Syntax error; key: "{key}"')
        if len(key) > MAX_KEY_BYTES:
            raise invalid(
                f"{parameter} contains invalid key: The expression attribute map contains a key that is too long; "
                f"maximum: {MAX_KEY_BYTES}"
            )


def _value(key: str, given: Any) -> tuple[Value, int]:
    try:
        return canonical_value(given)
    except Refusal as refusal:
        if refusal.code != "ValidationException":
            raise
        raise invalid(
            f"ExpressionAttributeValues contains invalid value: {refusal} for key {key}"
        ) from refusal
