"""A YAML file as it is written: every scalar its source text, every key and value with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from headrace.config.problem import KeyPath, Place, Problem, refuse, shown, written
from headrace.errors import ConfigError

Data: TypeAlias = "dict[str, Data] | list[Data] | str | None"
"""A YAML value. None is an empty, ``null`` or ``~`` value; quoted, these are text."""

MOST_VALUES = 100_000
"""Aliases can make a small file stand for a huge document; beyond this it is refused."""

_TOP = Place(1, 1)
_NULL = "tag:yaml.org,2002:null"
_YAML_TAGS = "tag:yaml.org,2002:"

_HALF = re.compile("[\ud800-\udfff]")
_NO_CHARACTER = "an escape such as '\\ud800' is half a character; write the character itself"

_CURES = (
    (
        "mapping values are not allowed",
        "': ' makes no key here; check the indentation, and quote text that holds ': '",
    ),
    ("'\\\\t' that cannot start", "a tab cannot indent; use spaces"),
    ("undefined alias", "'*' names an anchor that is not defined above; quote the value if it is text"),
    ("undefined tag handle", "'!' starts a tag that is not defined; quote the value if it is text"),
    ("another document", "a second document starts here; a Spicepod is one document, without '---' inside"),
    ("unexpected end of stream", "a quote or bracket that is opened here is not closed"),
    ("<stream end>", "the document ends here, inside a quote or bracket that is not closed"),
    ("could not find expected ':'", "a line without a key; write 'key: value', with a space after the colon"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A file's values and where they stand. ``file`` is its name in messages."""

    file: str
    data: Data = field(repr=False)
    keys: dict[KeyPath, Place] = field(default_factory=dict, repr=False)
    values: dict[KeyPath, Place] = field(default_factory=dict, repr=False)

    def at(self, path: KeyPath) -> Data:
        """The value at ``path``, None if there is none."""
        data = self.data
        for step in path:
            if isinstance(data, dict) and isinstance(step, str):
                data = data.get(step)
            elif isinstance(data, list) and isinstance(step, int) and step < len(data):
                data = data[step]
            else:
                return None
        return data

    def key_place(self, path: KeyPath) -> Place:
        """Where the key stands; the place of its nearest parent if there is no such key."""
        return self._nearest(path, self.keys, self.values)

    def value_place(self, path: KeyPath) -> Place:
        """Where the value starts; the place of its nearest parent if there is no such value."""
        return self._nearest(path, self.values, self.keys)

    def at_key(self, path: KeyPath, message: str) -> Problem:
        """A problem with a key."""
        return Problem(self.key_place(path), written(path), message)

    def at_value(self, path: KeyPath, message: str) -> Problem:
        """A problem with a value."""
        return Problem(self.value_place(path), written(path), message)

    def _nearest(self, path: KeyPath, first: dict[KeyPath, Place], then: dict[KeyPath, Place]) -> Place:
        for length in range(len(path), -1, -1):
            place = first.get(path[:length]) or then.get(path[:length])
            if place is not None:
                return place
        return _TOP


def read_document(path: Path, file: str) -> Document:
    """Read a YAML file; ``file`` is what messages call it.

    Raises ConfigError if it cannot be read, is not UTF-8 or not YAML, or repeats a key. Values never
    enter a message, because any of them may be a secret.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    return parse_document(_decoded(content, file), file)


def parse_document(text: str, file: str) -> Document:
    """As ``read_document``, from text."""
    reading = _Reading(file)
    node = _composed(text, file)
    try:
        data = reading.value(node, ()) if node is not None else None
    except RecursionError:
        refuse(file, [Problem(_TOP, "", "the document is nested too deeply to be a Spicepod")])
        raise
    refuse(file, reading.problems)
    return Document(file, data, reading.keys, reading.values)


def _decoded(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        place = Place(before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
    refuse(file, [Problem(place, "", "the file is not UTF-8 text; save it as UTF-8")])
    raise AssertionError


def _composed(text: str, file: str) -> Node | None:
    """The node graph, None of an empty document."""
    yaml = YAML(typ="safe", pure=True)
    # A second anchor of one name is legal YAML; the warning about it would go to standard error.
    yaml.composer.warn_double_anchors = False
    try:
        node: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        problem = _syntax_problem(error)
    except ReaderError as error:
        before = text[: error.position]
        place = Place(before.count("\n") + 1, error.position - before.rfind("\n"))
        problem = Problem(place, "", "YAML syntax: a control character, which YAML text cannot hold")
    except RecursionError:
        problem = Problem(_TOP, "", "the document is nested too deeply to be a Spicepod")
    else:
        return node
    # Outside the except block, so that the parser's own message, which may quote a value, is not chained.
    refuse(file, [problem])
    raise AssertionError


def _syntax_problem(error: MarkedYAMLError) -> Problem:
    said = repr(error.problem or "")
    mark = error.problem_mark
    if "unexpected end of stream" in said:
        mark = error.context_mark or mark
    for pattern, cure in _CURES:
        if pattern in said:
            return Problem(_place(mark), "", f"YAML syntax: {cure}")
    told = re.sub(r"'([^']*)'", _repeatable, error.problem or "this cannot be read")
    return Problem(
        _place(mark), "", f"YAML syntax: {told}; check the indentation, quotes and brackets around here"
    )


def _repeatable(quoted: re.Match[str]) -> str:
    """Token names (<block end>) and single characters may be repeated; anything longer may be a secret."""
    harmless = len(quoted[1]) == 1 or re.fullmatch("<[a-z ]+>", quoted[1])
    return quoted[0] if harmless else "text"


def _place(mark: StringMark | None) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark is not None else _TOP


class _Reading:
    """Turns nodes into data and notes their places; collects problems on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.keys: dict[KeyPath, Place] = {}
        self.values: dict[KeyPath, Place] = {}
        self.problems: list[Problem] = []
        self._open: set[int] = set()
        self._count = 0

    def value(self, node: Node, path: KeyPath) -> Data:
        place = _place(node.start_mark)
        self._count += 1
        if self._count > MOST_VALUES:
            refuse(self.file, [Problem(place, "", f"more than {MOST_VALUES} values; aliases multiply them")])
        if not (node.tag or _YAML_TAGS).startswith(_YAML_TAGS):
            self._note(place, path, "tags ('!...') are not part of a Spicepod; quote the value if it is text")
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node, path, place)
        if id(node) in self._open:
            self._note(place, path, "the value contains itself through an alias")
            return None
        self._open.add(id(node))
        self.values[path] = place
        try:
            if isinstance(node, SequenceNode):
                return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
            assert isinstance(node, MappingNode)
            return self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: Any, path: KeyPath, place: Place) -> str | None:
        if node.style is None and node.tag == _NULL:
            # An empty value is marked at the next token; its key says better where it is.
            if node.value or not path:
                self.values[path] = place
            return None
        self.values[path] = place
        text: str = node.value
        if _HALF.search(text):
            self._note(place, path, _NO_CHARACTER)
            return None
        return text

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Data]:
        read: dict[str, Data] = {}
        merged: list[tuple[Place, Node]] = []
        for key_node, value_node in node.value:
            place = _place(key_node.start_mark)
            if not isinstance(key_node, ScalarNode):
                self._note(place, path, "a key must be text")
                continue
            key: str = key_node.value
            here = (*path, key)
            if _HALF.search(key):
                self._note(place, path, _NO_CHARACTER)
            elif key == "<<":
                merged.append((place, value_node))
            elif key in read:
                first = self.keys[here]
                self._note(place, here, f"the key '{shown(key)}' is given twice, first at {first}; keep one")
            else:
                self.keys[here] = place
                read[key] = self.value(value_node, here)
        for place, value_node in merged:
            self._merge(read, value_node, path, place)
        return read

    def _merge(self, read: dict[str, Data], node: Node, path: KeyPath, place: Place) -> None:
        """Add what ``<<`` brings in; the mapping's own keys win, then the earlier of several mappings."""
        sources = node.value if isinstance(node, SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, MappingNode):
                self._note(place, (*path, "<<"), "'<<' merges mappings only")
                return
            if id(source) in self._open:
                self._note(place, (*path, "<<"), "the value contains itself")
                return
            self._open.add(id(source))
            own = (dict(self.keys), dict(self.values))
            for key, value in self._mapping(source, path).items():
                if key not in read:
                    read[key] = value
            self._open.discard(id(source))
            # Places of the mapping's own keys come back over those of the merged ones.
            self.keys.update(own[0])
            self.values.update(own[1])

    def _note(self, place: Place, path: KeyPath, message: str) -> None:
        self.problems.append(Problem(place, written(path), message))
