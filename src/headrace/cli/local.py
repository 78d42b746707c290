"""``headrace local``."""

from __future__ import annotations

import click

_GUIDE = """\
Simulated DynamoDB and DynamoDB Streams: {url}

For AWS tools, SDKs and `headrace run` in another terminal:

  export AWS_ENDPOINT_URL={url} AWS_REGION={region}
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local

A Spicepod for a table `orders` there (its stream must be on):

{pod}
Everything is in memory, and gone when this ends (Ctrl-C).
"""

_POD = """\
datasets:
  - from: dynamodb:orders
    name: orders
    params: {{endpoint_url: "{url}", aws_region: {region}}}
    acceleration:
      refresh_mode: changes
"""


@click.command("local")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port to listen on; 0 picks a free one.",
)
@click.option(
    "--shards",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="How many shards each stream begins with.",
)
@click.option("--region", default="us-east-1", show_default=True, help="The region to be.")
def local(host: str, port: int, shards: int, region: str) -> None:
    """Serve a simulated DynamoDB with streams.

    boto3, the aws command and Headrace work against it unchanged, with any credentials.
    """
    import time

    from headrace.cli.stopping import told_to_stop
    from headrace.errors import HeadraceError
    from headrace.simulator.server import SimulatorServer
    from headrace.simulator.simulator import Simulator

    simulator = Simulator(time.time, region=region, initial_shards=shards)
    try:
        server = SimulatorServer(simulator, host, port)
    except OSError as error:
        raise HeadraceError(
            f"cannot listen on port {port} of {host} ({error.strerror}): choose another with --port, 0 for any"
        ) from error
    with told_to_stop() as told, server:
        click.echo(guide(server.url, region), nl=False)
        told.wait()


def guide(url: str, region: str) -> str:
    """What to do with the endpoint, for its reader to copy."""
    pod = "".join(f"  {line}\n" for line in spicepod(url, region).splitlines())
    return _GUIDE.format(url=url, region=region, pod=pod)


def spicepod(url: str, region: str) -> str:
    """Six lines of a Spicepod that follows the table ``orders`` at the endpoint."""
    return _POD.format(url=url, region=region)
