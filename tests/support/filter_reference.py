"""Event filters by the letter: an event becomes a list of fields, a rule is searched through them as aws/event-ruler does.

Written for its plainness, and apart from headrace.filters, which must say the same.
"""

import json
import re
from decimal import Decimal
from ipaddress import ip_address, ip_network

CONTAINER = object()
"""Stands for an object or array in paths without type tags, where exists tells of them too."""

IMAGES = {"new": "NewImage", "old": "OldImage", "keys": "Keys"}


def passes(pattern, record, *, extended=False):
    """Whether a record (JSON value) passes a pattern (JSON text)."""
    fields = flattened(record)
    if extended:
        plain = event(record)
        fields += [field for root in IMAGES for field in flattened({root: plain[root]}, containers=True)]
    return any(
        search(sorted(rule.items(), key=lambda one: ".".join(one[0])), fields, {}, record, extended)
        for rule in unfolded(json.loads(pattern))
    )


def event(record):
    """The record, and beside it its images without type tags."""
    return record | {root: untagged({"M": image_of(record, image)}) for root, image in IMAGES.items()}


def image_of(record, image):
    dynamodb = record.get("dynamodb")
    return dynamodb.get(image) if isinstance(dynamodb, dict) else None


def unfolded(pattern, path=(), rules=None):
    rules = [{}] if rules is None else rules
    for name, value in pattern.items():
        if name == "$or":
            rules = [new for one in value for new in unfolded(one, path, [dict(rule) for rule in rules])]
        elif isinstance(value, dict):
            rules = unfolded(value, (*path, name), rules)
        else:
            for rule in rules:
                rule[*path, name] = value
    return rules


def flattened(value, path=(), place=(), membership=(), *, containers=False):
    """(path, value, {array: index}); an array is known by its place in the event."""
    found = []
    if containers and path and isinstance(value, dict | list):
        found.append((path, CONTAINER, dict(membership)))
    if isinstance(value, dict):
        for name, inner in value.items():
            found += flattened(inner, (*path, name), (*place, name), membership, containers=containers)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            within = (*membership, (place, index)) if isinstance(inner, dict | list) else membership
            found += flattened(inner, path, (*place, index), within, containers=containers)
    elif value is not None or not (containers and len(path) == 1):
        found.append((path, value, dict(membership)))
    return found


def search(conditions, fields, chosen, record, extended):
    if not conditions:
        return True
    (path, alternatives), *rest = conditions
    if any(has_changed(one, path, record) for one in alternatives):
        return search(rest, fields, chosen, record, extended)
    there = [
        (value, membership)
        for name, value, membership in fields
        if name == path and all(chosen.get(array, index) == index for array, index in membership.items())
    ]
    if not there and {"exists": False} in alternatives and search(rest, fields, chosen, record, extended):
        return True
    return any(
        search(rest, fields, chosen | membership, record, extended)
        for value, membership in there
        if any(matches(one, value, path, extended) for one in alternatives)
    )


def matches(wanted, value, path, extended):
    if value is CONTAINER:
        return wanted == {"exists": True}
    if not isinstance(wanted, dict):
        return equal(wanted, value)
    ((operator, argument),) = wanted.items()
    if operator == "exists":
        return argument
    if operator == "numeric":
        if extended and path[0] == "dynamodb" and len(path) > 3 and path[-1] in ("N", "NS"):
            value = number(value)
        return is_number(value) and all(
            compared(one, argument[at + 1], value) for at, one in enumerate(argument) if at % 2 == 0
        )
    if operator == "anything-but":
        if isinstance(argument, dict):
            ((form, texts),) = argument.items()
            return not any(
                text_matches(form, text, value) for text in (texts if isinstance(texts, list) else [texts])
            )
        return not any(equal(one, value) for one in (argument if isinstance(argument, list) else [argument]))
    return operator != "changed" and text_matches(operator, argument, value)


def text_matches(operator, wanted, value):
    if not isinstance(value, str):
        return False
    if isinstance(wanted, dict):
        return text_matches(operator, wanted["equals-ignore-case"].casefold(), value.casefold())
    if operator == "cidr":
        try:
            return ip_address(value) in ip_network(wanted, strict=False)
        except ValueError:
            return False
    if operator == "wildcard":
        pieces = re.split(r"(\\.|\*)", wanted)
        expression = "".join(
            ".*" if piece == "*" else re.escape(re.sub(r"^\\", "", piece)) for piece in pieces
        )
        return re.fullmatch(expression, value, re.DOTALL) is not None
    return {
        "prefix": value.startswith(wanted),
        "suffix": value.endswith(wanted),
        "equals-ignore-case": value.casefold() == wanted.casefold(),
    }[operator]


def is_number(value):
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def number(text):
    try:
        return Decimal(text) if isinstance(text, str) else None
    except ArithmeticError:
        return None


def equal(wanted, value):
    if is_number(wanted):
        return is_number(value) and compared("=", wanted, value)
    return type(wanted) is type(value) and wanted == value


def compared(operator, bound, value):
    if isinstance(value, Decimal):
        bound = Decimal(str(bound))
    return {
        "=": value == bound,
        "<": value < bound,
        "<=": value <= bound,
        ">": value > bound,
        ">=": value >= bound,
    }[operator]


def untagged(attribute):
    """The value of a typed attribute; a bad one is as if it were not there, which no generated record has."""
    if attribute == {"M": None}:
        return None
    ((tag, value),) = attribute.items()
    return {
        "M": lambda: {name: untagged(inner) for name, inner in value.items()},
        "L": lambda: [untagged(inner) for inner in value],
        "N": lambda: Decimal(value),
        "NS": lambda: [Decimal(one) for one in value],
        "NULL": lambda: None,
    }.get(tag, lambda: value)()


def has_changed(alternative, path, record):
    if not (isinstance(alternative, dict) and "changed" in alternative):
        return False
    old, new = (at(image_of(record, image), path[1:]) for image in ("OldImage", "NewImage"))
    return {
        True: old != new,
        False: old == new,
        "appears": not old and bool(new),
        "disappears": bool(old) and not new,
    }[alternative["changed"]]


def at(image, path):
    found = [] if image is None else [{"M": image}]
    for name in path:
        found = [element for one in found for element in elements(one)]
        found = [one["M"][name] for one in found if name in one.get("M", {})]
    return [comparable(one) for one in found]


def elements(attribute):
    return [inner for one in attribute["L"] for inner in elements(one)] if "L" in attribute else [attribute]


def comparable(attribute):
    ((tag, value),) = attribute.items()
    if tag in ("SS", "NS", "BS"):
        return tag, sorted(value)
    if tag == "M":
        return tag, {name: comparable(inner) for name, inner in value.items()}
    return (tag, [comparable(inner) for inner in value]) if tag == "L" else (tag, value)
