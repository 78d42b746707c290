"""Decoders of JSON and MessagePack, made one at a time.

msgspec keeps what it knows of a class with the class, and does so before that is complete (0.22). A thread that meets the class at that
moment ends the process with SIGSEGV: two datasets that read their first checkpoints together, for example. So whatever decodes to a
class does it by a decoder that is made here; ``msgspec.json.decode(text, type=...)`` and ``msgspec.convert`` make one on their way.
"""

from __future__ import annotations

from threading import RLock
from typing import Any, Final, TypeVar, overload

import msgspec

T = TypeVar("T")

_MAKING: Final = RLock()
_KEPT: Final[dict[object, msgspec.json.Decoder[Any]]] = {}


@overload
def json_decoder(type_: type[T], *, strict: bool = ...) -> msgspec.json.Decoder[T]: ...
@overload
def json_decoder(type_: Any, *, strict: bool = ...) -> msgspec.json.Decoder[Any]: ...
def json_decoder(type_: Any, *, strict: bool = True) -> msgspec.json.Decoder[Any]:
    """What decodes JSON to ``type_``. Without ``strict``, numbers may stand in strings."""
    with _MAKING:
        return msgspec.json.Decoder(type_, strict=strict)


def msgpack_decoder(type_: type[T]) -> msgspec.msgpack.Decoder[T]:
    """What decodes MessagePack to ``type_``."""
    with _MAKING:
        return msgspec.msgpack.Decoder(type_)


def decoded(text: bytes | str, type_: type[T]) -> T:
    """What JSON says, as ``type_``, which is kept: a class of a module, or made of such. Raises as msgspec does."""
    decoder = _KEPT.get(type_)
    if decoder is None:
        decoder = _KEPT.setdefault(type_, json_decoder(type_))
    read: T = decoder.decode(text)
    return read
