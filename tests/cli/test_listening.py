"""What other machines can reach is opened on purpose only."""

import pytest
from click.testing import CliRunner

from headrace.cli import main
from headrace.cli.address import stays_on_this_machine


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """Where there is no Spicepod: with an address that is accepted, that is the complaint."""
    monkeypatch.chdir(tmp_path)


def run(*arguments, **environ):
    return CliRunner().invoke(main, ["run", *arguments], env=environ)


@pytest.mark.parametrize("address", ["0.0.0.0:0", ":0", "[::]:0", "10.1.2.3:0"])
def test_an_address_that_other_machines_reach_is_refused_with_the_ways_out(address):
    result = run("--http", address)
    assert result.exit_code == 2
    assert "could read every row" in result.output
    assert "127.0.0.1" in result.output
    assert "--allow-unauthenticated" in result.output


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (("--http", "127.0.0.1:0"), {}),
        (("--http", "127.8.9.1:0"), {}),
        (("--http", "localhost:0"), {}),
        (("--http", "[::1]:0"), {}),
        (("--http", "0.0.0.0:0", "--allow-unauthenticated"), {}),
        (("--http", "0.0.0.0:0"), {"HEADRACE_ALLOW_UNAUTHENTICATED": "true"}),
        (("--metrics", "0.0.0.0:0"), {}),
    ],
)
def test_what_stays_on_this_machine_or_is_wanted_is_accepted(arguments, environ):
    result = run(*arguments, **environ)
    assert result.exit_code == 1
    assert "unauthenticated" not in result.output
    assert "headrace init" in result.output + str(result.exception)


def test_only_loopback_stays_on_this_machine():
    assert stays_on_this_machine("127.0.0.1")
    assert not stays_on_this_machine("192.168.1.5")
