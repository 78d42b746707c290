"""``headrace run``."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli.address import ADDRESS, stays_on_this_machine

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from headrace.config import Pod
    from headrace.dataset import Dataset, Secret
    from headrace.observe import Observer
    from headrace.runtime import Runtime


@click.command("run")
@click.argument("pod", required=False, type=click.Path(path_type=Path))
@click.option(
    "--http",
    type=ADDRESS,
    default="127.0.0.1:8090",
    show_default=True,
    help="Where to answer SQL and tell the status; port 0 picks a free one and prints it.",
)
@click.option(
    "--allow-unauthenticated",
    is_flag=True,
    envvar="HEADRACE_ALLOW_UNAUTHENTICATED",
    show_envvar=True,
    help="Let --http listen where other machines get to, although nobody who asks is asked who they are.",
)
@click.option(
    "--metrics",
    type=ADDRESS,
    default="127.0.0.1:9090",
    show_default=True,
    help="Where to serve Prometheus metrics, at /metrics.",
)
@click.option(
    "--log-format",
    type=click.Choice(("auto", "human", "json")),
    default="auto",
    show_default=True,
    help="One aligned line an event, or one JSON object; auto is human.",
)
@click.option(
    "--log-level",
    type=click.Choice(("debug", "info", "warning", "error")),
    default="info",
    show_default=True,
    help="The least severe events to log, on standard error.",
)
@click.option("--no-progress", is_flag=True, help="Draw no progress bar on a terminal: log lines instead.")
def run(
    *,
    pod: Path | None,
    http: tuple[str, int],
    allow_unauthenticated: bool,
    metrics: tuple[str, int],
    log_format: str,
    log_level: str,
    no_progress: bool,
) -> None:
    """Copy the tables of a Spicepod, follow their streams, answer SQL.

    POD is a Spicepod or the folder that holds spicepod.yaml; by default, the working directory. Runs until
    SIGINT (Ctrl-C) or SIGTERM, after which it finishes what it is writing and leaves with exit code 0; a
    second signal ends it at once.
    """
    if not (allow_unauthenticated or stays_on_this_machine(http[0])):
        raise click.UsageError(
            f"--http {http[0]}: other machines get to this address, and whoever does could read every row, because "
            "authentication (runtime.auth) is not built yet. Listen on 127.0.0.1 behind a proxy that knows who asks, "
            "or say --allow-unauthenticated (HEADRACE_ALLOW_UNAUTHENTICATED=true) where the network keeps others out"
        )
    from headrace.cli.stopping import told_to_stop

    # First of all: what follows imports for most of a second, in which a signal may come.
    with told_to_stop() as told, ExitStack() as closing:
        runtime = _made(pod, http, metrics, log_format, log_level, closing, bars=not no_progress)
        closing.callback(runtime.stop)
        runtime.start()
        click.echo(f"HTTP {runtime.http_url}")
        click.echo(f"Metrics {runtime.metrics_url}/metrics")
        told.wait()


def _made(
    pod: Path | None,
    http: tuple[str, int],
    metrics: tuple[str, int],
    log_format: str,
    log_level: str,
    closing: ExitStack,
    *,
    bars: bool,
) -> Runtime:
    """The runtime of the Spicepod, and what observes it; ``bars`` allows progress bars on a terminal."""
    import pyarrow as pa

    from headrace.config import load_pod
    from headrace.metrics.log import Foreign, LogFormat, LogLevel, make_logger
    from headrace.metrics.story import LogObserver

    # Arrow's own pool keeps what it once held; the system's gives it back.
    pa.set_memory_pool(pa.system_memory_pool())
    loaded = load_pod(pod, os.environ, Path.cwd())
    logger = make_logger(
        LogFormat(log_format), LogLevel(log_level), secrets=_secrets(loaded.datasets), environ=os.environ
    )
    logging.getLogger().addHandler(Foreign(logger))
    _warn(logger, loaded)
    from headrace.runtime import Runtime

    drawn = bars and sys.stderr.isatty() and log_format != "json"
    progress = _bars(closing) if drawn else _lines(logger)
    return Runtime(loaded, http=http, metrics=metrics, observers=[LogObserver(logger), progress])


def _warn(logger: FilteringBoundLogger, pod: Pod) -> None:
    """Say at the start what is probably not meant, and what this version does not carry out."""
    for warning in pod.warnings:
        logger.warning("spicepod_warning", message=warning)
    for sentence in pod.unbuilt:
        logger.warning("not_built", message=sentence)
    for dataset in pod.datasets:
        for sentence in dataset.unbuilt:
            logger.warning("not_built", dataset=dataset.name, message=sentence)


def _secrets(datasets: Sequence[Dataset]) -> list[Secret]:
    accesses = [dataset.access for dataset in datasets]
    kept = [one.acceleration.snapshots for one in datasets if one.acceleration is not None]
    accesses += [snapshots.place.access for snapshots in kept if snapshots is not None]
    found = [(access.access_key_id, access.secret_access_key, access.session_token) for access in accesses]
    return [secret for secrets in found for secret in secrets if secret is not None]


def _bars(closing: ExitStack) -> Observer:
    from rich.console import Console

    from headrace.metrics.progress import ProgressBars

    bars = ProgressBars(Console(stderr=True))
    closing.callback(bars.close)
    return bars


def _lines(logger: FilteringBoundLogger) -> Observer:
    from headrace.metrics.progress import ProgressLines

    return ProgressLines(logger)
