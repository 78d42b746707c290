"""What a function writes, line by line and bounded."""

from __future__ import annotations

from headrace.mapping_facts import FunctionOutput, MappingObserver

MOST_LINE_BYTES = 65_536
"""What is told of a line; the rest of it is counted."""

MOST_LINES = 10_000
MOST_BYTES = 4 * 2**20
"""What is told of one invocation; the rest is counted."""


class Output:
    """The lines of one process, on both of its streams, each told with the invocation that it belongs to."""

    def __init__(self, mapping: str, observe: MappingObserver) -> None:
        self._mapping = mapping
        self._observe = observe
        self._request: str | None = None
        self._open = {"stdout": _Line(), "stderr": _Line()}
        self._lines = self._bytes = self._left_out = 0

    def begin(self, request: str | None) -> None:
        """From now on lines belong to ``request``; a line that was begun before ends here."""
        for stream, line in self._open.items():
            if line:
                self._tell(stream, line)
        if self._left_out:
            self._say("stderr", f"[{self._left_out:,} more lines are left out]")
        self._request = request
        self._lines = self._bytes = self._left_out = 0

    def feed(self, stream: str, data: bytes) -> None:
        """What has just been read."""
        *whole, rest = data.split(b"\n")
        line = self._open[stream]
        for piece in whole:
            line.add(piece)
            self._tell(stream, line)
        line.add(rest)

    def _tell(self, stream: str, line: _Line) -> None:
        self._lines += 1
        self._bytes += len(line.kept)
        if self._lines > MOST_LINES or self._bytes > MOST_BYTES:
            self._left_out += 1
        else:
            self._say(stream, line.text())
        line.clear()

    def _say(self, stream: str, text: str) -> None:
        self._observe(FunctionOutput(self._mapping, stream, text, self._request))


class _Line:
    """A line that is being written."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self._more = 0

    def __bool__(self) -> bool:
        return bool(self.kept)

    def add(self, piece: bytes) -> None:
        room = MOST_LINE_BYTES - len(self.kept)
        self.kept += piece[:room]
        self._more += max(0, len(piece) - room)

    def text(self) -> str:
        more = f" [{self._more:,} more bytes]" if self._more else ""
        return self.kept.decode(errors="replace").removesuffix("\r") + more

    def clear(self) -> None:
        self.kept.clear()
        self._more = 0
