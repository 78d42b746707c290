"""``headrace run``."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.address import Address
from headrace.cli.address import ADDRESS

_UNENCRYPTED = (
    "keys and rows are sent without encryption; name a certificate under runtime.tls where others may listen"
)

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from headrace.config import Pod
    from headrace.dataset import Secret
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
    "--flight",
    type=ADDRESS,
    default="127.0.0.1:50051",
    show_default=True,
    help="Where to answer SQL over Arrow Flight SQL; port 0 picks a free one and prints it.",
)
@click.option(
    "--insecure",
    is_flag=True,
    envvar="HEADRACE_INSECURE",
    show_envvar=True,
    help="Let it listen where other machines get to, although nobody who asks is asked who they are.",
)
@click.option(
    "--tls-certificate-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The certificate (PEM) with which everything is served encrypted, in place of runtime.tls.",
)
@click.option(
    "--tls-key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its private key (PEM).",
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
    http: Address,
    flight: Address,
    insecure: bool,
    tls_certificate_file: Path | None,
    tls_key_file: Path | None,
    metrics: Address,
    log_format: str,
    log_level: str,
    no_progress: bool,
) -> None:
    """Copy the tables of a Spicepod, follow their streams, answer SQL.

    POD is a Spicepod or the folder that holds spicepod.yaml; by default, the working directory. Runs until
    SIGINT (Ctrl-C) or SIGTERM, after which it finishes what it is writing and leaves with exit code 0; a
    second signal ends it at once.
    """
    if (tls_certificate_file is None) != (tls_key_file is None):
        raise click.UsageError(
            "--tls-certificate-file and --tls-key-file belong together: give both, or neither"
        )
    from headrace.cli.memory import bound_memory
    from headrace.cli.stopping import told_to_stop

    bound_memory()

    # First of all: what follows imports for most of a second, in which a signal may come.
    with told_to_stop() as told, ExitStack() as closing:
        loaded = _loaded(pod, tls_certificate_file, tls_key_file, insecure=insecure)
        runtime = _made(loaded, (http, flight, metrics), log_format, log_level, closing, bars=not no_progress)
        closing.callback(runtime.stop)
        runtime.start()
        click.echo(f"HTTP {runtime.http_url}")
        click.echo(f"Flight {runtime.flight_url}")
        click.echo(f"Metrics {runtime.metrics_url}/metrics")
        told.wait()


def _loaded(pod: Path | None, certificate_file: Path | None, key_file: Path | None, *, insecure: bool) -> Pod:
    """The Spicepod, with what the command says of who may ask."""
    from headrace.config import load_pod, read_tls

    loaded = load_pod(pod, os.environ, Path.cwd())
    access = replace(loaded.access, insecure=insecure)
    if certificate_file is not None and key_file is not None:
        access = replace(access, tls=read_tls(certificate_file, key_file))
    return replace(loaded, access=access)


def _made(
    pod: Pod,
    at: tuple[Address, Address, Address],
    log_format: str,
    log_level: str,
    closing: ExitStack,
    *,
    bars: bool,
) -> Runtime:
    """The runtime of the Spicepod, and what observes it; ``bars`` allows progress bars on a terminal."""
    import pyarrow as pa

    from headrace.metrics.log import Foreign, LogFormat, LogLevel, make_logger
    from headrace.metrics.story import LogObserver, MappingLogObserver

    # Arrow's own pool keeps what it once held; the system's gives it back.
    pa.set_memory_pool(pa.system_memory_pool())
    logger = make_logger(
        LogFormat(log_format), LogLevel(log_level), secrets=_secrets(pod), environ=os.environ
    )
    logging.getLogger().addHandler(Foreign(logger))
    _warn(logger, pod)
    from headrace.runtime import Runtime

    drawn = bars and sys.stderr.isatty() and log_format != "json"
    progress = _bars(closing) if drawn else _lines(logger)
    http, flight, metrics = at
    return Runtime(
        pod,
        http=http,
        flight=flight,
        metrics=metrics,
        observers=[LogObserver(logger), progress],
        mapping_observers=[MappingLogObserver(logger)],
    )


def _warn(logger: FilteringBoundLogger, pod: Pod) -> None:
    """Say at the start what is probably not meant, and what this version does not carry out."""
    from headrace.mappings import warnings_of

    for warning in pod.warnings:
        logger.warning("spicepod_warning", message=warning)
    if pod.access.authenticates and pod.access.tls is None:
        logger.warning("keys_unencrypted", message=_UNENCRYPTED)
    for name, warnings in warnings_of(pod.mappings).items():
        for warning in warnings:
            logger.warning("filter_never_matches", mapping=name, message=warning)
    for sentence in pod.unbuilt:
        logger.warning("not_built", message=sentence)
    for dataset in pod.datasets:
        for sentence in dataset.unbuilt:
            logger.warning("not_built", dataset=dataset.name, message=sentence)


def _secrets(pod: Pod) -> list[Secret]:
    """Every secret of the Spicepod: the log hides them wherever they turn up."""
    from headrace.event_source_mapping import Function

    accelerations = [one.acceleration for one in pod.datasets if one.acceleration is not None]
    kept = [one.snapshots for one in accelerations if one.snapshots is not None]
    accesses = [*(one.access for one in pod.datasets), *(snapshots.place.access for snapshots in kept)]
    for mapping in pod.mappings:
        accesses.append(mapping.access)
        accesses += [mapping.on_failure.access] if mapping.on_failure is not None else []
    of_targets = [one.consumer.secrets for one in pod.mappings if not isinstance(one.consumer, Function)]
    found = [
        (one.postgres.user, one.postgres.password, one.postgres.connection_string)
        for one in accelerations
        if one.postgres
    ]
    keys = [key.secret for key in pod.access.keys]
    keys += [pod.access.tls.key] if pod.access.tls is not None else []
    for secrets in (*(access.secrets for access in accesses), *of_targets):
        keys += secrets
    return [*keys, *(secret for secrets in found for secret in secrets if secret is not None)]


def _bars(closing: ExitStack) -> Observer:
    from rich.console import Console

    from headrace.metrics.progress import ProgressBars

    bars = ProgressBars(Console(stderr=True))
    closing.callback(bars.close)
    return bars


def _lines(logger: FilteringBoundLogger) -> Observer:
    from headrace.metrics.progress import ProgressLines

    return ProgressLines(logger)
