"""Keys open what they are for, and nothing opens without one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.access import Access, ApiKey, Scope, bearer
from headrace.dataset import Secret

TEXTS = st.text(st.characters(), max_size=40)


def access(*keys):
    return Access(tuple(ApiKey(Secret(key)) for key in keys))


@given(TEXTS | st.none())
def test_without_keys_everybody_is_admitted(given):
    assert Access().admits(given, Scope.OPERATE)
    assert not Access().authenticates


@given(st.lists(TEXTS.filter(bool), min_size=1, max_size=3), TEXTS)
def test_with_keys_exactly_they_are_admitted(keys, given):
    assert access(*keys).admits(given) == (given in keys)
    assert all(access(*keys).admits(key) for key in keys)
    assert not access(*keys).admits(None)


def test_a_key_that_only_reads_opens_no_operation():
    both = Access((ApiKey(Secret("r"), Scope.READ), ApiKey(Secret("o"), Scope.OPERATE)))
    assert [both.admits(key) for key in "ro"] == [True, True]
    assert [both.admits(key, Scope.OPERATE) for key in "ro"] == [False, True]


def test_a_key_that_cannot_be_unicode_is_not_admitted():
    assert not access("a").admits("\udcff")


def test_no_key_shows_itself():
    assert "hush" not in repr(access("hush"))


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("Bearer abc", "abc"),
        ("bearer   abc ", "abc"),
        ("BEARER a b", "a b"),
        ("Basic abc", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("", None),
        (None, None),
        ("abc", None),
    ],
)
def test_a_bearer_token_is_what_follows_the_scheme(header, key):
    assert bearer(header) == key
