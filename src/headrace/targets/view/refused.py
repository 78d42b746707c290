"""What a view does not take, said with what it takes and what to write instead."""

from __future__ import annotations

from typing import Final, NoReturn

from headrace.errors import ConfigError
from headrace.targets.view.functions import FUNCTIONS
from headrace.targets.view.syntax import Tree, written

AGGREGATES: Final = ("count", "sum", "avg", "min", "max")
LAZY_NAMES: Final = ("coalesce", "concat", "greatest", "least", "nullif")
"""Functions that look at NULL themselves: ``expression`` has them."""


def refuse(node: Tree) -> NoReturn:
    """Say what of a view's SQL is not taken, and what is."""
    kind = str(node.get("class"))
    text = written(node)
    if kind == "FUNCTION":
        raise ConfigError(_of_function(str(node.get("function_name")), text))
    what, cure = _REFUSED.get(
        kind, ("this", "write it with the operators and functions of docs/targets/view.md")
    )
    raise ConfigError(f"{text}: a view takes no {what}; {cure}")


_REFUSED: Final = {
    "SUBQUERY": ("subqueries", "select from one table alone"),
    "WINDOW": ("window functions", "a row of a view depends on its own group alone: use GROUP BY"),
    "PARAMETER": ("parameters", "write the value"),
    "LAMBDA": ("lambdas", "compute lists in the statement that reads the view"),
    "COLLATE": ("collations", "texts compare by their code points; use lower(...)"),
    "POSITIONAL_REFERENCE": ("references by position", "write the name of the attribute"),
    "STAR": ("* here", "name the attributes"),
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CLOCK: Final = _words("current_date current_time current_timestamp localtime localtimestamp")
"""Words of SQL that name the time, and look like columns."""

_CHANGING: Final = _words(
    "now current_date current_time current_timestamp get_current_timestamp get_current_time today transaction_timestamp "
    "localtime localtimestamp current_localtime current_localtimestamp ago age"
)
_CHANCE: Final = _words("random uuid uuidv4 uuidv7 gen_random_uuid setseed nextval")
_OTHER_AGGREGATES: Final = _words(
    "any_value approx_count_distinct approx_quantile arbitrary arg_max arg_min argmax argmin array_agg bit_and bit_or bit_xor "
    "bool_and bool_or count_if countif first first_value group_concat histogram last last_value list listagg max_by median "
    "min_by mode product quantile quantile_cont quantile_disc stddev stddev_pop stddev_samp string_agg var_pop var_samp "
    "variance fsum favg kahan_sum sumkahan"
)


def _of_function(name: str, text: str) -> str:
    if name in ("/", "//", "divide"):
        return (
            f"{text}: a view does not divide, because a quotient has no last digit; multiply (x * 0.01), use avg, or divide in the "
            "statement that reads the view"
        )
    if name in _CHANGING:
        return (
            f"{text}: its answer changes though no item does, so that a view kept by changes cannot follow; compare with the time "
            "in the statement that reads the view"
        )
    if name in _CHANCE:
        return f"{text}: its answer is another one each time; a view takes what depends on the item alone"
    if name in _OTHER_AGGREGATES or name in AGGREGATES:
        return f"{text}: the aggregates of a view are {', '.join(AGGREGATES)}, in the SELECT list, not within one another"
    names = ", ".join(sorted(each for each in (*FUNCTIONS, *LAZY_NAMES) if each.isidentifier()))
    return (
        f"{text}: a view has no function or operator {name}; there are + - * % || LIKE ILIKE IN BETWEEN CASE CAST, and {names}. "
        "Times that are texts of ISO 8601 are cut with left(...), times that are numbers with x - x % 86400"
    )
