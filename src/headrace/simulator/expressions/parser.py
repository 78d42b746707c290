"""The four grammars: condition (also filter and key condition), update, projection.

Grammar: developer guide, "Condition and filter expressions, operators, and functions", "Update expressions",
"Projection expressions". Every fault is a ValidationException that begins with the expression's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from headrace.simulator.answers import Refusal, invalid
from headrace.simulator.expressions import rules
from headrace.simulator.expressions.lexer import Token, tokens
from headrace.simulator.expressions.placeholders import Placeholders
from headrace.simulator.expressions.reserved import RESERVED_WORDS
from headrace.simulator.expressions.tree import (
    Action,
    AddAction,
    And,
    Between,
    Call,
    Comparison,
    Condition,
    Constant,
    DeleteAction,
    In,
    Node,
    Not,
    Operand,
    Or,
    Path,
    RemoveAction,
    SetAction,
    Sum,
)
from headrace.simulator.items import MAX_NESTING

_T = TypeVar("_T")

MAX_OPERATORS = 300
# AWS does not say how deep parentheses may go; this is as deep as Python's stack allows with ease.
MAX_DEPTH = 60

# Developer guide, "Constraints in Amazon DynamoDB": attributes nest 32 levels deep, below the top-level one.
MAX_PATH = MAX_NESTING + 1

_KEYWORDS = ("AND", "OR", "NOT", "BETWEEN", "IN")
_SECTIONS = ("SET", "REMOVE", "ADD", "DELETE")
_COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")


def parse_condition(name: str, text: str, placeholders: Placeholders) -> Condition:
    """A condition, filter or key condition; ``name`` is the request's parameter."""
    with _named(name):
        parser = _Parser(text, placeholders, rules.CONDITION_FUNCTIONS, _KEYWORDS)
        condition = parser.condition()
        parser.end()
        return condition


def parse_projection(text: str, placeholders: Placeholders) -> tuple[Path, ...]:
    """The paths of a ProjectionExpression."""
    with _named("ProjectionExpression"):
        parser = _Parser(text, placeholders, {}, ())
        paths = parser.many(parser.path)
        parser.end()
        rules.check_overlaps(paths)
        return paths


def parse_update(text: str, placeholders: Placeholders) -> tuple[Action, ...]:
    """The actions of an UpdateExpression."""
    with _named("UpdateExpression"):
        parser = _Parser(text, placeholders, rules.UPDATE_FUNCTIONS, _SECTIONS)
        actions = parser.update()
        rules.check_overlaps([action.path for action in actions])
        return actions


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        raise invalid(f"Invalid {name}: {refusal}") from refusal


class _Parser:
    """Recursive descent over tokens; ``keywords`` cannot be attribute names."""

    def __init__(
        self, text: str, placeholders: Placeholders, functions: dict[str, int], keywords: Sequence[str]
    ) -> None:
        self._tokens = tokens(text)
        self._place = 0
        self._placeholders = placeholders
        self._functions = functions
        self._keywords = keywords
        self._operators = 0
        self._depth = 0
        self._grouped: Node | None = None

    def condition(self) -> Condition:
        """A whole condition."""
        return self._must_decide(self._or(), self._token)

    def update(self) -> tuple[Action, ...]:
        """Sections, each at most once."""
        readers = {"SET": self._set, "REMOVE": self._remove, "ADD": self._add, "DELETE": self._delete}
        actions: list[Action] = []
        seen: list[str] = []
        while not seen or self._token.kind != "end":
            section = self._token.text.upper()
            if self._token.kind != "word" or section not in _SECTIONS:
                raise self._error()
            if section in seen:
                raise invalid(f'The "{section}" section can only be used once in an update expression;')
            seen.append(section)
            self._advance()
            actions += self.many(readers[section])
        return tuple(actions)

    def many(self, one: Callable[[], _T]) -> tuple[_T, ...]:
        """One or more, with commas between."""
        found = [one()]
        while self._take(","):
            found.append(one())
        return tuple(found)

    def end(self) -> None:
        """There is nothing more."""
        if self._token.kind != "end":
            raise self._error()

    def path(self) -> Path:
        """A document path."""
        parts: list[str | int] = [self._part()]
        while True:
            if self._take("."):
                parts.append(self._part())
            elif self._take("["):
                if self._token.kind != "index":
                    raise self._error()
                parts.append(int(self._advance().text))
                self._expect("]")
            elif len(parts) > MAX_PATH:
                raise invalid(
                    f"The document path has too many nesting elements; nesting levels: {len(parts)}"
                )
            else:
                return Path(tuple(parts))

    # Conditions: or, and, not, comparison, primary, from the loosest to the tightest.

    def _or(self) -> Node:
        return self._terms("OR", self._and, Or)

    def _and(self) -> Node:
        return self._terms("AND", self._not, And)

    def _terms(
        self, keyword: str, inner: Callable[[], Node], join: Callable[[tuple[Condition, ...]], Condition]
    ) -> Node:
        first = inner()
        if not self._token.is_word(keyword):
            return first
        terms = [self._must_decide(first, self._token)]
        while self._token.is_word(keyword):
            self._advance()
            self._count()
            terms.append(self._must_decide(inner(), self._token))
        return join(tuple(terms))

    def _not(self) -> Node:
        if not self._token.is_word("NOT"):
            return self._comparison()
        self._advance()
        self._count()
        with self._deeper():
            return Not(self._must_decide(self._not(), self._token))

    def _comparison(self) -> Node:
        left = self._primary()
        token = self._token
        if token.kind == "sign" and token.text in _COMPARATORS:
            self._advance()
            self._count()
            comparison = Comparison(
                token.text, self._must_be_operand(left, token), self._must_be_operand(self._primary(), token)
            )
            rules.check_comparison(comparison)
            return comparison
        if token.is_word("BETWEEN"):
            return self._between(left)
        if token.is_word("IN"):
            self._advance()
            self._count()
            self._expect("(")
            choices = self.many(self._operand)
            self._expect(")")
            node = In(self._must_be_operand(left, token), choices)
            rules.check_in(node)
            return node
        return left

    def _between(self, operand: Node) -> Node:
        token = self._advance()
        self._count()
        low = self._operand()
        if not self._token.is_word("AND"):
            raise self._error()
        self._advance()
        node = Between(self._must_be_operand(operand, token), low, self._operand())
        rules.check_between(node)
        return node

    def _operand(self) -> Operand:
        token = self._token
        return self._must_be_operand(self._primary(), token)

    def _primary(self) -> Node:
        token = self._token
        if token.text == "(":
            return self._group()
        if token.kind == "value":
            self._advance()
            return Constant(self._placeholders.value(token.text))
        if token.kind == "word" and self._tokens[self._place + 1].text == "(" and not self._is_keyword(token):
            return self._call()
        return self.path()

    def _group(self) -> Node:
        self._advance()
        with self._deeper():
            inner = self._or() if self._functions is rules.CONDITION_FUNCTIONS else self._value()
        if self._grouped is inner and self._functions is rules.CONDITION_FUNCTIONS:
            raise invalid("The expression has redundant parentheses;")
        self._expect(")")
        self._grouped = inner
        return inner

    def _call(self) -> Node:
        name = self._advance().text
        self._advance()
        self._count()
        with self._deeper():
            call = Call(name, self.many(self._operand))
        self._expect(")")
        rules.check_call_nesting(call, self._functions)
        rules.check_call(call, self._functions)
        return call

    # Updates: one action of each section.

    def _set(self) -> Action:
        path = self.path()
        self._expect("=")
        return SetAction(path, self._value())

    def _remove(self) -> Action:
        return RemoveAction(self.path())

    def _add(self) -> Action:
        action = AddAction(self.path(), self._constant())
        rules.check_set_action(action)
        return action

    def _delete(self) -> Action:
        action = DeleteAction(self.path(), self._constant())
        rules.check_set_action(action)
        return action

    def _value(self) -> Operand:
        left = self._operand()
        token = self._token
        if token.text not in {"+", "-"}:
            return left
        self._advance()
        self._count()
        right = self._operand()
        rules.check_sum(token.text, (left, right))
        return Sum(token.text, left, right)

    def _constant(self) -> Constant:
        if self._token.kind != "value":
            raise self._error()
        return Constant(self._placeholders.value(self._advance().text))

    # Tokens.

    @property
    def _token(self) -> Token:
        return self._tokens[self._place]

    def _advance(self) -> Token:
        token = self._token
        self._place += 1
        return token

    def _take(self, sign: str) -> bool:
        if self._token.kind != "sign" or self._token.text != sign:
            return False
        self._place += 1
        return True

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise self._error()

    def _part(self) -> str:
        token = self._token
        if token.kind == "name":
            self._advance()
            return self._placeholders.name(token.text)
        if token.kind != "word" or self._is_keyword(token):
            raise self._error()
        if token.text.upper() in RESERVED_WORDS:
            raise invalid(f"Attribute name is a reserved keyword; reserved keyword: {token.text}")
        self._advance()
        return token.text

    def _is_keyword(self, token: Token) -> bool:
        return token.text.upper() in self._keywords

    def _must_decide(self, node: Node, token: Token) -> Condition:
        condition = rules.as_condition(node)
        if condition is None:
            raise self._error(token)
        return condition

    def _must_be_operand(self, node: Node, token: Token) -> Operand:
        if isinstance(node, Path | Constant | Call | Sum):
            return node
        raise self._error(token)

    def _count(self) -> None:
        self._operators += 1
        if self._operators > MAX_OPERATORS:
            raise invalid(
                f"The expression contains too many operators and functions; the maximum is {MAX_OPERATORS}"
            )

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise invalid(f"The expression is nested too deeply; the maximum is {MAX_DEPTH} levels")
        yield
        self._depth -= 1

    def _error(self, token: Token | None = None) -> Refusal:
        token = token or self._token
        return invalid(f'Syntax error; token: "{token.text}", near: "{token.near}"')
