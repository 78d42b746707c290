import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.config.environment import UnresolvedError, parse_env, read_environment
from headrace.errors import ConfigError


def resolve(folder, text, environ=None):
    return read_environment(folder, environ or {}).resolve(text).text


@pytest.mark.parametrize("store", ["secrets", "env", " secrets "])
def test_a_reference_stands_for_the_name_in_upper_case(tmp_path, store):
    assert resolve(tmp_path, f"${{{store}:aws_key}}", {"AWS_KEY": "x", "aws_key": "y"}) == "x"


def test_else_for_the_name_with_the_prefix_spice(tmp_path):
    assert resolve(tmp_path, "${secrets:aws_key}", {"SPICE_AWS_KEY": "x"}) == "x"


def test_the_plain_name_wins_over_the_prefixed_one_wherever_it_is_set(tmp_path):
    (tmp_path / ".env").write_text("KEY=plain\n")
    assert resolve(tmp_path, "${env:key}", {"SPICE_KEY": "prefixed"}) == "plain"


def test_the_process_wins_over_env_local_and_that_over_env(tmp_path):
    (tmp_path / ".env").write_text("A=env\nB=env\nC=env\n")
    (tmp_path / ".env.local").write_text("A=local\nB=local\n")
    environ = {"A": "process"}
    assert resolve(tmp_path, "${env:a} ${env:b} ${env:c}", environ) == "process local env"


def test_references_may_stand_within_a_text(tmp_path):
    assert resolve(tmp_path, "http://${env:host}:8000", {"HOST": "db"}) == "http://db:8000"


def test_what_a_reference_stands_for_is_not_read_again(tmp_path):
    assert resolve(tmp_path, "${env:a}", {"A": "${env:b}", "B": "x"}) == "${env:b}"


@given(st.text(alphabet=st.characters(exclude_characters="$"), max_size=30))
def test_text_without_a_reference_stays_as_it_is(tmp_path_factory, text):
    assert resolve(tmp_path_factory.getbasetemp(), text) == text


def test_what_is_not_set_is_refused_with_both_names_and_where_they_were_looked_for(tmp_path):
    (tmp_path / ".env").write_text("OTHER=1\n")
    with pytest.raises(UnresolvedError) as refused:
        resolve(tmp_path, "${secrets:aws_key}")
    assert str(refused.value) == (
        f"neither AWS_KEY nor SPICE_AWS_KEY is set in the environment, {tmp_path}/.env.local (which does not "
        f"exist) or {tmp_path}/.env; set one of them"
    )
    assert refused.value.missing


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${secrets:key", "'${' opens a reference that '}' does not close"),
        (
            "${key}",
            "a reference is written ${secrets:name} or ${env:name}, the name of letters, digits and '_'",
        ),
        (
            "${env:}",
            "a reference is written ${secrets:name} or ${env:name}, the name of letters, digits and '_'",
        ),
        ("${keyring:key}", "there is no secret store 'keyring'; known here: env, secrets"),
    ],
)
def test_a_malformed_reference_is_refused(tmp_path, text, message):
    with pytest.raises(UnresolvedError) as refused:
        resolve(tmp_path, text, {"KEY": "x"})
    assert str(refused.value) == message
    assert not refused.value.missing


def test_an_env_file_has_quotes_exports_and_comments():
    content = (
        "# a comment\n"
        "\n"
        "PLAIN=one two # a comment\n"
        "  export EXPORTED = x\n"
        "SINGLE='a # \\n $HOME'  # kept as it is\n"
        'DOUBLE="a\\n\\"b\\" \\\\ \\$ \\q # c"\n'
        "EMPTY=\n"
        "HASH=a#b\n"
        "EQUALS=a=b==\n"
        "COMMENTED=#nothing\n"
        "CRLF=x\r\n"
    )
    assert parse_env(content, ".env") == {
        "PLAIN": "one two",
        "EXPORTED": "x",
        "SINGLE": "a # \\n $HOME",
        "DOUBLE": 'a\n"b" \\ $ \\q # c',
        "EMPTY": "",
        "HASH": "a#b",
        "EQUALS": "a=b==",
        "COMMENTED": "",
        "CRLF": "x",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("A=1\n  hunter2\n", ".env:2:3: expected NAME=value, or a comment after '#'"),
        ("A='hunter2\n", ".env:1:3: a quote is not closed, or text follows it"),
        ('A="hunter2\n', ".env:1:3: a quote is not closed, or text follows it"),
        ("A='x' hunter2\n", ".env:1:3: a quote is not closed, or text follows it"),
        ("1A=hunter2\n", ".env:1:1: expected NAME=value, or a comment after '#'"),
    ],
)
def test_a_bad_line_is_refused_without_showing_it(content, message):
    with pytest.raises(ConfigError) as refused:
        parse_env(content, ".env")
    assert str(refused.value) == message


def test_an_env_file_that_is_not_utf_8_is_refused_without_showing_it(tmp_path):
    (tmp_path / ".env").write_bytes(b"KEY=hunter2\xff\n")
    with pytest.raises(ConfigError) as refused:
        read_environment(tmp_path, {})
    assert str(refused.value) == f"{tmp_path}/.env: the file is not UTF-8 text; save it as UTF-8"
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_an_environment_shows_no_values(tmp_path):
    environment = read_environment(tmp_path, {"KEY": "hunter2"})
    assert "hunter2" not in repr(environment)
    assert "hunter2" not in repr(environment.resolve("${env:key}"))
