import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner

from headrace.cli import main
from headrace.cli.address import ADDRESS
from headrace.cli.local import guide, spicepod

COMMAND = Path(sys.executable).parent / "headrace"
CREDENTIALS = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "eu-west-1"}


@contextmanager
def local(*arguments):
    """A real `headrace local` process and the URL that it printed; killed if it outlives the test."""
    environ = {**os.environ, "PYTHONWARNINGS": "default"}
    with subprocess.Popen(
        [COMMAND, "local", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    ) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        try:
            yield process, re.search(r"http://\S+", process.stdout.readline())[0]
        finally:
            process.kill()
            watchdog.cancel()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_endpoint_serves_boto3_until_a_signal_and_then_leaves_with_0(number):
    with local("--shards", "2", "--region", "eu-west-1") as (process, url):
        dynamodb = boto3.client("dynamodb", endpoint_url=url, **CREDENTIALS)
        dynamodb.create_table(
            TableName="orders",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        table = dynamodb.describe_table(TableName="orders")["Table"]
        assert ":eu-west-1:" in table["TableArn"]
        streams = boto3.client("dynamodbstreams", endpoint_url=url, **CREDENTIALS)
        description = streams.describe_stream(StreamArn=table["LatestStreamArn"])["StreamDescription"]
        assert len(description["Shards"]) == 2
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert errors == ""


def test_the_guide_gives_lines_to_copy():
    text = guide("http://127.0.0.1:8000", "eu-west-1")
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:8000 AWS_REGION=eu-west-1\n" in text
    assert "  - from: dynamodb:orders\n" in text
    assert len(spicepod("http://127.0.0.1:8000", "eu-west-1").splitlines()) == 6


def test_a_port_that_is_taken_is_told_with_the_cure():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["local", "--port", str(port)])
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: cannot listen on port {port} of 127.0.0.1 (Address already in use): "
        "choose another with --port, 0 for any\n"
    )


def test_a_number_of_shards_that_cannot_be_is_wrong_usage():
    assert CliRunner().invoke(main, ["local", "--shards", "0"]).exit_code == 2


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8090", ("127.0.0.1", 8090)),
        ("localhost:0", ("localhost", 0)),
        (":9090", ("0.0.0.0", 9090)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_an_address_is_a_host_and_a_port(text, address):
    assert ADDRESS.convert(text, None, None) == address


@pytest.mark.parametrize("text", ["8090", "localhost", "localhost:", "::1:80", "h:70000", "h:-1", "h:٣"])
def test_what_is_no_address_is_refused_by_its_own_text(text):
    with pytest.raises(Exception, match=re.escape(repr(text))):
        ADDRESS.convert(text, None, None)
