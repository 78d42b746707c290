"""Settings of columns are told apart by what they do, in every process alike."""

import subprocess
import sys
from dataclasses import replace

from headrace.column_type import LONG, Times, time_type
from headrace.mapping import Declared, ListType, Mapping, NumberType
from headrace.time_text import ISO_8601

ZONED = frozenset(layout.text for layout in ISO_8601 if layout.zoned)
MANY = Mapping(declared=(Declared("at", time_type(Times("UTC", ZONED))), Declared("n", LONG)))


def test_each_setting_changes_the_fingerprint_and_a_sample_only_where_it_is_taken():
    mappings = [
        Mapping(),
        Mapping(layouts=ISO_8601[:1]),
        Mapping(unnest_depth=0),
        Mapping(unnest_depth=1),
        Mapping(list_type=ListType.TYPED),
        Mapping(number_type=NumberType.DECIMAL),
        Mapping(freeze=True),
        Mapping(freeze=True, sample=20),
        Mapping(json_column="rest"),
        MANY,
        replace(MANY, declared=MANY.declared[::-1]),
    ]
    assert len({mapping.fingerprint for mapping in mappings}) == len(mappings)
    assert Mapping(sample=20).fingerprint == Mapping().fingerprint


def test_the_fingerprint_is_the_same_in_another_process():
    code = (
        "from headrace.column_type import *; from headrace.mapping import *; "
        "from headrace.time_text import ISO_8601; "
        "zoned = frozenset(layout.text for layout in ISO_8601 if layout.zoned); "
        "print(Mapping(declared=(Declared('at', time_type(Times('UTC', zoned))), Declared('n', LONG))).fingerprint)"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2", "3")
    }
    assert printed == {MANY.fingerprint}
