import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.statement import described, explains, shows_tables, split

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
    ("statement", "name"),
    [
        ("describe users", "users"),
        ("DESC  users ", "users"),
        ('describe "my ""table"""', '"my ""table"""'),
        ("describe public.users", "public.users"),
        ("describe select 1", None),
        ("describe users; drop table x", None),
        ("describe", None),
        ("description", None),
        ("select 1", None),
    ],
)
def test_describe_wants_one_name(statement, name):
    assert described(statement) == name


def test_the_words_that_the_terminal_knows_are_told_whatever_their_case():
    assert shows_tables(" SHOW\nTables ")
    assert not shows_tables("show tables from x")
    assert explains("Explain analyze select 1")
    assert not explains("select 'explain'")
