"""The verbs show their key, and say what is wrong where a key or a certificate is."""

import pytest
from click.testing import CliRunner

from headrace.access import Access, ApiKey, Tls
from headrace.cli import main
from headrace.dataset import Secret
from support.certificates import made
from support.serving import SmallSystem, served

KEY = "a-key-that-nobody-knows"


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    return made(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def port(issued):
    """Of a runtime that speaks TLS, and asks for a key."""
    tls = Tls(issued.certificate.read_text(), Secret(issued.key.read_text()))
    with served(SmallSystem(), Access((ApiKey(Secret(KEY)),), tls)) as call:
        yield call.address[1]


def sql(url, *options, **environ):
    return CliRunner().invoke(
        main, ["sql", "-c", "SELECT 1 AS n", "--format", "csv", "--http", url, *options], env=environ
    )


def test_a_key_and_an_authority_come_from_options_or_from_the_environment(port, issued):
    url, authority = f"https://127.0.0.1:{port}", str(issued.authority)
    assert sql(url, "--api-key", KEY, "--tls-root-certificate-file", authority).output == '"n"\n1\n'
    environ = {"HEADRACE_API_KEY": KEY, "HEADRACE_TLS_ROOT_CERTIFICATE_FILE": authority}
    assert sql(url, **environ).output == '"n"\n1\n'
    assert CliRunner().invoke(main, ["datasets", "--http", url], env=environ).exit_code == 0


def test_what_is_missing_is_named(port, issued):
    url, trust = f"https://127.0.0.1:{port}", ("--tls-root-certificate-file", str(issued.authority))
    for options in ((), ("--api-key", "wrong")):
        result = sql(url, *trust, *options)
        assert (result.exit_code, "--api-key KEY (or HEADRACE_API_KEY)" in result.output) == (1, True)
    result = sql(url, *trust, "--api-key", "ä b")
    assert "cannot be one" in result.output
    result = sql(url, "--api-key", KEY)
    assert f"the certificate of {url} is not trusted (" in result.output
    assert "--tls-root-certificate-file FILE" in result.output
    result = sql(f"http://127.0.0.1:{port}", "--api-key", KEY)
    assert "write https://" in result.output
    assert KEY not in result.output


def test_tls_where_there_is_none_is_said():
    with served(SmallSystem()) as call:
        assert "does not speak TLS: write http://" in sql(f"https://127.0.0.1:{call.address[1]}").output
