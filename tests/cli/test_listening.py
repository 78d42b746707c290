"""What other machines can reach is opened on purpose only."""

import pytest
from click.testing import CliRunner

from headrace.cli import main
from headrace.serve.listening import stays_on_this_machine
from support.certificates import made

POD = "runtime: {auth: {api-key: {keys: ['${secrets:key}']}}}\n"
DATASETS = """\
datasets:
  - from: dynamodb:orders
    name: orders
    params: {endpoint_url: "http://127.0.0.1:1", aws_region: eu-west-1}
    acceleration: {refresh_mode: changes}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs in a folder with a Spicepod, until it would listen."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spicepod.yaml").write_text(DATASETS)
    monkeypatch.setattr("headrace.runtime.Runtime.start", lambda self: print("would listen") or 1 / 0)  # noqa: T201

    def run(*arguments, **environ):
        return CliRunner().invoke(main, ["run", "--metrics", "127.0.0.1:0", *arguments], env=environ)

    return run


@pytest.mark.parametrize("address", ["0.0.0.0:0", ":0", "[::]:0", "10.1.2.3:0"])
def test_an_address_that_other_machines_reach_is_refused_with_the_ways_out(run, address):
    result = run("--http", address)
    assert result.exit_code == 1
    assert "could read every row" in result.output
    for way in ("runtime.auth.api-key", "127.0.0.1", "--insecure"):
        assert way in result.output
    assert "would listen" not in result.output


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (("--http", "127.0.0.1:0"), {}),
        (("--http", "127.8.9.1:0"), {}),
        (("--http", "localhost:0"), {}),
        (("--http", "[::1]:0"), {}),
        (("--http", "0.0.0.0:0", "--insecure"), {}),
        (("--http", "0.0.0.0:0"), {"HEADRACE_INSECURE": "true"}),
        (("--metrics", "0.0.0.0:0"), {}),
    ],
)
def test_what_stays_on_this_machine_or_is_wanted_is_accepted(run, arguments, environ):
    assert "would listen" in run("--http", "127.0.0.1:0", *arguments, **environ).output


def test_with_keys_any_address_is_accepted(run, tmp_path):
    (tmp_path / "spicepod.yaml").write_text(POD + DATASETS)
    result = run("--http", "0.0.0.0:0", KEY="0123456789abcdef")
    assert "would listen" in result.output
    assert "0123456789abcdef" not in result.output


def test_a_certificate_may_be_named_with_the_command(run, tmp_path):
    issued = made(tmp_path)
    named = ("--tls-certificate-file", str(issued.certificate))
    assert "belong together" in run(*named).output
    assert "would listen" in run(*named, "--tls-key-file", str(issued.key)).output
    wrong = run(*named, "--tls-key-file", str(issued.certificate))
    assert "server.pem: is not a text of PEM (`-----BEGIN PRIVATE KEY-----`)" in wrong.output


def test_only_loopback_stays_on_this_machine():
    assert stays_on_this_machine("127.0.0.1")
    assert not stays_on_this_machine("192.168.1.5")
