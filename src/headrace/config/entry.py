"""What the models of a Spicepod are made of: mappings with known keys, and a mark on each key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from headrace.config.kind import Kind
from headrace.config.parameter import Unbuilt, described
from headrace.config.problem import BadValueError

REFUSED = "headrace_refused"
"""The type of the validation errors that carry a sentence of our own."""


@dataclass(frozen=True, slots=True)
class Key:
    """Marks a model's field: its kind, what it does, and what is missing. Kind None takes anything."""

    kind: Kind[object] | None
    what: str
    unbuilt: Unbuilt | None = None

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "description": described(self.what, self.unbuilt),
            **(dict(self.kind.schema) if self.kind else {}),
        }

    def _read(self, value: object) -> object:
        if self.kind is None:
            return value
        if value is None:
            raise PydanticCustomError(REFUSED, "has no value; give one, or remove the key")
        if not isinstance(value, str):
            found = "a list" if isinstance(value, list) else "keys"
            sentence = f"expected {self.kind.says}; found {found}"
            raise PydanticCustomError(REFUSED, "{sentence}", {"sentence": sentence})
        try:
            return self.kind.parse(value)
        except BadValueError as error:
            sentence = str(error)
        raise PydanticCustomError(REFUSED, "{sentence}", {"sentence": sentence})


class Entry(BaseModel):
    """A mapping with known keys. ``foreign`` are names that others have for them, with ours."""

    foreign: ClassVar[Mapping[str, str]] = {}

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
