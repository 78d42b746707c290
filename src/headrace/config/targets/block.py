"""One target's block of a Spicepod, while it is read; and what each kind of target is to the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

from headrace.config import connector
from headrace.config.aws_access import ACCESS, Reaching
from headrace.config.connector import (
    AWS_ACCESS_KEY_ID,
    AWS_AUTH,
    AWS_REGION,
    AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN,
    ENDPOINT_URL,
)
from headrace.config.document import Document
from headrace.config.environment import Environment, UnresolvedError
from headrace.config.parameter import Parameter, ParameterReader, Settings
from headrace.config.problem import KeyPath, Problem, written
from headrace.dataset import AwsAccess, Secret
from headrace.target import Target

T = TypeVar("T")

REGION: Final = Parameter(
    "region",
    AWS_REGION.kind,
    "The AWS region of that table. Without it, the source's.",
    aliases=("aws_region",),
)
ENDPOINT: Final = Parameter(
    ENDPOINT_URL.name,
    ENDPOINT_URL.kind,
    "Where it is reached, for emulators. Without it, as the source is where `region` is the same.",
)
BESIDE: Final[tuple[Parameter[object], ...]] = (
    REGION,
    ENDPOINT,
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN,
    AWS_AUTH,
)
"""How a table beside the source is reached, in the order of documentation."""


@dataclass(slots=True)
class TargetBlock:
    """The block at ``path``, of a mapping that reads ``table``, reached by ``access``.

    ``folder`` is the Spicepod's. ``fed``: a dataset is read from the mapping. ``problems``, ``warnings`` and ``unbuilt`` (as in
    Mapped) grow while a target is read.
    """

    document: Document
    environment: Environment
    folder: Path
    path: KeyPath
    table: str
    access: AwsAccess
    fed: bool = False
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    unbuilt: list[str] = field(default_factory=list)

    def settings(self, parameters: tuple[Parameter[object], ...], *apart: str) -> Settings | None:
        """What the block says but for the keys ``apart``, None where something is wrong with it."""
        reader = ParameterReader(self.document, self.environment, parameters, "", frozenset(apart))
        settings, wrong = reader.read(self.path)
        self.problems += wrong
        self.unbuilt += settings.unbuilt(parameters, written(self.path))
        return None if wrong else settings

    def texts(self, key: str) -> dict[str, Secret] | None:
        """The names and texts under ``key``, which may be references and are secret; None where something is wrong with them."""
        given = self.document.at((*self.path, key))
        if given is None:
            return {}
        if not isinstance(given, dict):
            self.refuse("expected names and values ('name: value'), one a line", key)
            return None
        found = {}
        for name, value in given.items():
            if not isinstance(value, str):
                self.refuse("expected text", key, name)
                continue
            try:
                found[name] = Secret(self.environment.resolve(value).text)
            except UnresolvedError as error:
                self.refuse(str(error), key, name)
        return found if len(found) == len(given) else None

    def beside(self, settings: Settings) -> AwsAccess:
        """The access of a table beside the source, from ``BESIDE``.

        What it leaves out is as the source has it: the address where the region is the same, and the keys. Keys are the source's
        only where the address is, or both are AWS's own: those of an emulator are nobody's elsewhere.
        """
        own = replace(self.reached(settings), region=settings.get(REGION))
        region = own.region or self.access.region
        address = own.endpoint_url or (self.access.endpoint_url if region == self.access.region else None)
        made = replace(own, region=region, endpoint_url=address)
        is_role = settings.get(connector.AWS_AUTH) == "iam_role"
        if own.access_key_id is not None or is_role or address != self.access.endpoint_url:
            return made
        return replace(
            made,
            access_key_id=self.access.access_key_id,
            secret_access_key=self.access.secret_access_key,
            session_token=self.access.session_token,
        )

    def reached(self, settings: Settings) -> AwsAccess:
        """The access that parameters of ``ACCESS`` describe."""
        reaching = Reaching(self.document, self.path, settings)
        access = reaching.access()
        self.problems += reaching.problems
        self.warnings += reaching.warnings
        return access

    def refuse(self, message: str, *keys: str) -> None:
        """Say what is wrong with the block, or with a key in it."""
        self.problems.append(self.document.at_value((*self.path, *keys), message))

    def warn(self, message: str, *keys: str) -> None:
        """Say what may be wrong with the block, or with a key in it."""
        self.warnings.append(self.document.at_value((*self.path, *keys), message))


@dataclass(frozen=True, slots=True)
class TargetKind:
    """A kind of target: the key under ``target``, what it is in a sentence, its parameters, and how it is read.

    ``read`` gives None where something is wrong, and the block knows what. ``facts`` says in plain lines what a target of
    the kind would do: labels, and what is said of each. ``note`` stands over the table of its parameters in the documentation.
    """

    name: str
    what: str
    parameters: tuple[Parameter[object], ...]
    read: Callable[[TargetBlock], Target | None]
    facts: Callable[[Target], Iterator[tuple[str, str]]]
    note: str = ""


def region_of(access: AwsAccess) -> str:
    """A region in words."""
    return access.region or "the region of the AWS configuration"


def credentials_of(access: AwsAccess) -> str:
    """Who asks, in words; secrets are not shown."""
    if access.access_key_id is None:
        return "from the AWS credential chain"
    token = " and session token" if access.session_token is not None else ""
    return f"access key{token} from the Spicepod"


def table_in_words(table: str, access: AwsAccess) -> str:
    """A table beside the source: its name, where it is, who asks."""
    at = f" at {access.endpoint_url}" if access.endpoint_url else ""
    return f"{table} in {region_of(access)}{at}, {credentials_of(access)}"


__all__ = ["ACCESS", "BESIDE", "TargetBlock", "TargetKind", "credentials_of", "region_of", "table_in_words"]
