import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.statement import describes, explains, split

PIECES = st.lists(
    st.sampled_from(
        [
            "select 1",
            " ",
            "\n",
            ";",
            "';'",
            "'it''s;'",
            '"a;b"',
            "-- no; \n",
            "/* ; /* ; */ ; */",
            "$$;$$",
            "$t$;$$;$t$",
            "e'\\';'",
        ]
    )
)


@pytest.mark.parametrize(
    ("text", "statements", "rest"),
    [
        ("", [], ""),
        ("select 1", [], "select 1"),
        ("select 1;", ["select 1"], ""),
        ("select 1; ; -- done", ["select 1"], ""),
        ("a;b ;c", ["a", "b"], "c"),
        ("select ';'';';", ["select ';'';'"], ""),
        ('select ";";', ['select ";"'], ""),
        ("select $$;$$;", ["select $$;$$"], ""),
        ("select $x$;$$;$x$;", ["select $x$;$$;$x$"], ""),
        ("select e'\\';';", ["select e'\\';'"], ""),
        ("select 1 -- not; yet\n;", ["select 1 -- not; yet"], ""),
        ("/* a /* b; */ c; */ select 1;", ["/* a /* b; */ c; */ select 1"], ""),
        ("select 'open;", [], "select 'open;"),
        ("select /* open;", [], "select /* open;"),
        ("select $$open;", [], "select $$open;"),
        ("a$b$c;", ["a$b$c"], ""),
    ],
)
def test_a_semicolon_ends_a_statement_unless_it_is_quoted(text, statements, rest):
    assert split(text) == (statements, rest)


@given(PIECES)
def test_whole_pieces_split_alike_however_they_are_joined(pieces):
    text = " ".join(pieces)
    statements, rest = split(text)
    assert split("\n;".join([*statements, rest])) == (statements, rest)
    for statement in statements:
        assert split(statement + "\n;") == ([statement], "")


@given(st.text(alphabet="a;'\"$-/*\n e\\", max_size=60))
def test_any_text_splits_and_nothing_typed_is_lost(text):
    statements, rest = split(text)
    kept = "".join([*statements, rest])
    assert all(kept.count(char) <= text.count(char) for char in "a'\"$")
    assert kept.count("a") == text.count("a") or "--" in text or "/*" in text


@pytest.mark.parametrize(
    "statement", ["describe users", "DESC\n select 1", "Show Columns from x", "show full columns in x"]
)
def test_a_question_for_columns_is_known_by_its_first_words(statement):
    assert describes(statement)


@pytest.mark.parametrize(
    "statement", ["describe_it", "description", "select 1", "show tables", "explain describe x"]
)
def test_other_statements_do_not_ask_for_columns(statement):
    assert not describes(statement)


def test_the_words_that_the_terminal_knows_are_told_whatever_their_case():
    assert explains("Explain analyze select 1")
    assert not explains("select 'explain'")
