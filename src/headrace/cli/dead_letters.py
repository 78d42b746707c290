"""``headrace dead-letters``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.client import Place, format_option, http_option

if TYPE_CHECKING:
    from headrace.cli.client import Client


@click.group("dead-letters")
def dead_letters() -> None:
    """List, retry or discard changes that could not be applied.

    A change that cannot be decoded, or that the accelerator cannot hold, is kept whole as a dead letter, and
    everything else goes on: until it is applied, the row of its key is out of date. A later change of the key
    supersedes it. SQL sees all of them as the table headrace_dead_letter.
    """


@dead_letters.command("list")
@click.argument("dataset", required=False)
@click.option("--all", "every", is_flag=True, help="Superseded ones too, which nothing waits for any more.")
@click.option("--records", is_flag=True, help="With the records themselves, as DynamoDB JSON.")
@format_option
@http_option
def list_letters(dataset: str | None, format_: str, place: Place, *, every: bool, records: bool) -> None:
    """List the dead letters of a DATASET, or of all, oldest first.

    Only those that wait, unless --all is given: an empty superseded_at says that no later change of the key has
    come.
    """
    from headrace.cli.client import Client
    from headrace.cli.session import Format, Session
    from headrace.cli.sql import echo, terminal_width

    client = Client(place)
    if dataset is not None:
        _expect_dataset(client, dataset)
    session = Session(client, Format(format_), echo, terminal_width)
    session.execute(_listing(dataset, every=every, records=records))


def _settling(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments that retry and discard share."""
    for decorate in (
        http_option,
        click.option(
            "--format",
            "format_",
            type=click.Choice(("table", "json")),
            default="table",
            show_default=True,
            help="How to print what was done.",
        ),
        click.argument("letters", nargs=-1),
        click.argument("dataset"),
    ):
        command = decorate(command)
    return command


@dead_letters.command("retry")
@click.option("--all", "every", is_flag=True, help="All that wait.")
@_settling
def retry(dataset: str, letters: tuple[str, ...], format_: str, place: Place, *, every: bool) -> None:
    """Try dead LETTERS of a DATASET again: those with these ids or sequence numbers.

    Each is decoded by this version and the columns of now, and applied unless it is superseded: a retry never
    takes a key back to an older state. One that fails again stays, with the new reason.
    Exit codes: 0 all done, 1 some fail still, are superseded or unknown, or no answer.
    """
    from headrace.cli.client import Client

    asked = _asked(letters, {"all": every})
    done = Client(place).settle_letters(dataset, "retry", asked)
    _print(
        done,
        format_,
        {"retried": "applied", "failing": "failed again", "superseded": "superseded, left alone"},
    )


@dead_letters.command("discard")
@click.option("--all", "every", is_flag=True, help="All, superseded or not.")
@click.option("--superseded", is_flag=True, help="All that are superseded: nothing is lost with them.")
@_settling
def discard(
    dataset: str, letters: tuple[str, ...], format_: str, place: Place, *, every: bool, superseded: bool
) -> None:
    """Forget dead LETTERS of a DATASET: those with these ids or sequence numbers.

    The change of a letter that waits is lost to the copy, until its key changes again.
    Exit codes: 0 all done, 1 some are unknown, or no answer.
    """
    from headrace.cli.client import Client

    asked = _asked(letters, {"all": every, "superseded": superseded})
    _print(Client(place).settle_letters(dataset, "discard", asked), format_, {"discarded": "discarded"})


def _asked(letters: tuple[str, ...], flags: dict[str, bool]) -> dict[str, Any]:
    """The request's body. Raises UsageError unless it is said in exactly one way which letters are meant."""
    given = [flag for flag, is_set in flags.items() if is_set]
    if bool(letters) + len(given) != 1:
        choices = " or ".join(f"--{flag}" for flag in flags)
        raise click.UsageError(f"say which letters, in one way: ids or sequence numbers, or {choices}")
    return {"letters": list(letters)} if letters else {given[0]: True}


def _print(done: dict[str, Any], format_: str, words: dict[str, str]) -> None:
    """Say what was done. Exit code 1 where that is not all that was asked."""
    from headrace.cli.listing import as_json

    unknown = done.get("unknown", [])
    if format_ == "json":
        click.echo(as_json(done))
    else:
        for field, word in words.items():
            if done.get(field) or field in ("retried", "discarded"):
                click.echo(f"{done.get(field, 0):,} {word}")
        for name in unknown:
            click.echo(f"no letter is called {name}", err=True)
    if unknown or done.get("failing") or done.get("superseded"):
        click.get_current_context().exit(1)


def _expect_dataset(client: Client, name: str) -> None:
    from headrace.errors import HeadraceError

    names = [str(dataset["name"]) for dataset in client.datasets()]
    if name.casefold() not in (one.casefold() for one in names):
        raise HeadraceError(f"there is no dataset {name!r}; the datasets are: {', '.join(names) or 'none'}")


def _listing(dataset: str | None, *, every: bool, records: bool) -> str:
    columns = ["dataset", "id", "sequence_number", '"key"', "reason", "seen_at", "superseded_at"]
    conditions = [] if every else ["superseded_at IS NULL"]
    if dataset is not None:
        text = dataset.replace("'", "''")
        conditions.append(f"lower(dataset) = lower('{text}')")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    names = ", ".join([*columns, "record"] if records else columns)
    return f"SELECT {names} FROM headrace_dead_letter{where} ORDER BY seen_at, dataset, id"  # noqa: S608 - quoted
