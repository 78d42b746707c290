"""A secret never shows: not in a pod, not in its description, not in an error of any kind."""

import logging
import traceback
from dataclasses import replace

import pytest

from headrace.config import describe, load_pod
from headrace.errors import ConfigError

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
BUILT = """\
datasets:
  - from: dynamodb:orders
    name: orders
    params:
      aws_access_key_id: ${secrets:the_key}
      aws_secret_access_key: SECRET
      aws_session_token: ${env:the_key}
    acceleration:
      engine: postgres
      refresh_mode: changes
      params:
        pg_user: SECRET
        pg_pass: SECRET
        pg_connection_string: postgresql://me:${secrets:the_key}@db.internal/orders
""".replace("SECRET", SECRET)


def everything_said(folder, text, caplog, capsys):
    """What loading ``text`` says anywhere: result, description, error with its whole traceback, logs."""
    with caplog.at_level(logging.DEBUG):
        try:
            pod = folder.load(text, {"THE_KEY": SECRET})
        except ConfigError as error:
            said = "".join(traceback.format_exception(error)) + repr(error) + chain(error)
        else:
            said = describe(pod) + repr(pod) + str(pod)
    captured = capsys.readouterr()
    return said + caplog.text + captured.out + captured.err


def chain(error):
    """Every exception that a handler could follow from this one."""
    said = ""
    following = error.__cause__ or error.__context__
    while following is not None:
        said += repr(following) + str(following)
        following = following.__cause__ or following.__context__
    return said


def test_a_loaded_secret_is_hidden_everywhere(folder, caplog, capsys):
    said = everything_said(folder, BUILT, caplog, capsys)
    assert "access key and session token from the Spicepod" in said
    assert SECRET not in said
    (dataset,) = folder.load(BUILT, {"THE_KEY": SECRET}).datasets
    access, server = dataset.access, dataset.acceleration.postgres
    assert access.access_key_id.reveal() == server.user.reveal() == server.password.reveal() == SECRET
    assert server.connection_string.reveal() == f"postgresql://me:{SECRET}@db.internal/orders"
    assert SECRET not in repr(replace(access, region="x")) + repr(replace(server, host="x"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # Other things are wrong beside the secrets.
        ("refresh_mode: changes", "refresh_mode: change"),
        ("name: orders", "name: select"),
        ("refresh_mode: changes", "refresh_mode: changes\n      mode: [file]"),
        ("acceleration:", "acceleratoin:"),
        # The secret itself stands where it does not belong.
        ("aws_secret_access_key:", "aws_secret_acces_key:"),
        ("aws_secret_access_key: ", "aws_secret_access_key:"),
        ("aws_secret_access_key: ", "aws_secret_access_key:\n        value: "),
        ("aws_secret_access_key: ", "aws_secret_access_key: - "),
        ("aws_secret_access_key: ", "aws_secret_access_key: *"),
        ("aws_secret_access_key: ", "aws_secret_access_key: !"),
        ("aws_secret_access_key: ", "aws_secret_access_key: &"),
        ("aws_secret_access_key: ", "aws_secret_access_key: '"),
        ("aws_secret_access_key: ", "aws_secret_access_key: ["),
        ("aws_secret_access_key: ", "aws_secret_access_key: {"),
        ("aws_secret_access_key: ", "aws_secret_access_key: %"),
        ("aws_secret_access_key: ", "aws_secret_access_key: x: "),
        ("aws_secret_access_key: ", "aws_secret_access_key: ${"),
        ("aws_secret_access_key: ", "aws_secret_access_key: \x07"),
        ("pg_pass: ", "pg_pass: !pass"),
        ("pg_pass: ", "pg_pas: "),
        # References resolve to the secret, and what they stand for is wrong there.
        ("aws_access_key_id: ", "aws_region: "),
        ("aws_access_key_id: ", "ready_lag: "),
        ("aws_access_key_id: ", "scan_segments: "),
        ("aws_access_key_id: ", "aws_auth: "),
        ("aws_access_key_id: ", "consistent_read: "),
        ("aws_access_key_id: ", "buffer_size: "),
        ("aws_access_key_id: ", "unnest_depth: "),
        ("aws_access_key_id: ", "endpoint_url: "),
        ("aws_access_key_id: ", "endpoint_url: http://user:"),
        ("aws_access_key_id: ", f"endpoint_url: http://user:{SECRET}@host\n      x: "),
        ("pg_connection_string: ", "pg_port: "),
        ("pg_connection_string: postgresql://", "pg_connection_string: "),
        ("pg_connection_string: postgresql://", "pg_connection_string: mysql://"),
        ("pg_connection_string: postgresql://me:", "pg_schema: pg_"),
        ("pg_pass: ", "pg_sslrootcert: -----BEGIN "),
        ("engine: postgres", "engine: sqlite"),
        ("engine: postgres", "engine: postgres\n      mode: memory"),
        ("pg_connection_string: ", "pg_sslmode: "),
        ("pg_connection_string: ", "snapshots: "),
        ("pg_connection_string: ", "duckdb_memory_limit: "),
    ],
)
def test_a_secret_is_in_no_error(folder, caplog, capsys, old, new):
    assert old in BUILT
    with pytest.raises(ConfigError):
        folder.load(BUILT.replace(old, new), {"THE_KEY": SECRET})
    assert SECRET not in everything_said(folder, BUILT.replace(old, new), caplog, capsys)


@pytest.mark.parametrize("line", [SECRET, f"THE_KEY='{SECRET}", f'THE_KEY="{SECRET}" x', f"= {SECRET}"])
def test_a_secret_in_a_bad_env_file_is_in_no_error(folder, caplog, capsys, line):
    (folder.path / ".env").write_text(line + "\n")
    assert SECRET not in everything_said(folder, BUILT, caplog, capsys)


def test_a_secret_from_an_env_file_is_found_and_hidden(folder):
    (folder.path / ".env.local").write_text(f"export SPICE_THE_KEY='{SECRET}'\n")
    (folder.path / "spicepod.yaml").write_text(BUILT)
    pod = load_pod(None, {}, folder.path)
    assert pod.datasets[0].access.session_token.reveal() == SECRET
    assert SECRET not in repr(pod) + describe(pod)
