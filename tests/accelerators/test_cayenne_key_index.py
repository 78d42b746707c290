"""The hash index of a file's keys: what it finds, and what it refuses to read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.accelerators.cayenne.key_index import KeyIndex, encoded
from headrace.errors import AcceleratorError

HASHES = st.lists(
    st.integers(0, 2**32 - 1) | st.integers(0, 3) | st.integers(2**32 - 3, 2**32 - 1), max_size=300
)


def array(values):
    return np.array(values, np.uint32)


@given(rows=HASHES, asked=HASHES)
def test_every_row_of_a_hash_is_among_its_candidates(rows, asked):
    owners, positions = KeyIndex(encoded(array(rows))).candidates(array(asked))
    found = set(zip(owners.tolist(), positions.tolist(), strict=True))
    assert len(found) == len(owners)
    for owner, hash_ in enumerate(asked):
        for position, row in enumerate(rows):
            assert row != hash_ or (owner, position) in found


def test_few_keys_that_are_not_there_are_thought_to_be():
    random = np.random.default_rng(7)
    index = KeyIndex(encoded(random.integers(0, 2**32, 100_000, dtype=np.uint32)))
    owners, _ = index.candidates(random.integers(0, 2**32, 10_000, dtype=np.uint32))
    assert 0 < len(owners) < 1_000


def test_positions_beyond_16_bits_come_back():
    hashes = np.arange(70_000, dtype=np.uint32) * np.uint32(2654435761)
    owners, positions = KeyIndex(encoded(hashes)).candidates(hashes[[0, 65_535, 65_536, 69_999]])
    assert {(0, 0), (1, 65_535), (2, 65_536), (3, 69_999)} <= set(
        zip(owners.tolist(), positions.tolist(), strict=True)
    )


def test_a_file_of_keys_is_read_where_it_lies(tmp_path):
    path = tmp_path / "part.keys"
    one, other = 5 << 24, 9 << 24
    path.write_bytes(encoded(array([one, other, one])))
    owners, positions = KeyIndex.open(path).candidates(array([one]))
    assert owners.tolist() == [0, 0]
    assert positions.tolist() == [0, 2]


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"HRKEYS01",
        b"HRKEYS02" + bytes(100),
        encoded(array([1, 2, 3]))[:-1],
        encoded(array([1, 2])) + b"x",
    ],
)
def test_a_file_of_keys_that_is_cut_off_or_none_is_refused(damaged, tmp_path):
    path = tmp_path / "part.keys"
    path.write_bytes(damaged)
    with pytest.raises(AcceleratorError, match=r"part\.keys"):
        KeyIndex.open(path)
