"""Where a mapping sends records that it gives up: ``on_failure`` of a Spicepod, put together and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from headrace.config.aws_access import ACCESS, Reaching
from headrace.config.document import Document
from headrace.config.environment import Environment
from headrace.config.mapping_model import OnFailureEntry
from headrace.config.parameter import PREFIX, ParameterReader
from headrace.config.problem import BadValueError, KeyPath, Problem, written
from headrace.config.sending_place import FILES, SendingPlaces
from headrace.dataset import AwsAccess
from headrace.event_source_mapping import FailureDestination

KINDS: Final = (*FILES, "sqs", "sns", "s3")


@dataclass(slots=True)
class FailurePlace:
    """The destination of one mapping's failures in the making.

    ``path`` is that of ``on_failure`` in the document, ``folder`` the Spicepod's. ``problems``, ``warnings`` and
    ``unbuilt`` (as in Mapped) grow while ``destination`` runs.
    """

    document: Document
    environment: Environment
    folder: Path
    path: KeyPath
    entry: OnFailureEntry
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    unbuilt: list[str] = field(default_factory=list)

    def destination(self) -> FailureDestination | None:
        """The destination, None for none; it holds only if ``problems`` stays empty."""
        given = self.entry.destination
        access = self._access(given)
        places = SendingPlaces(KINDS, self.folder)
        if given is None:
            if self.entry.redrive_interval is None:
                self._refuse(
                    self.path, f"says nothing; add destination, or redrive_interval: {places.written}"
                )
            return None
        try:
            kind, place = places.read(given, given)
        except BadValueError as error:
            self._refuse((*self.path, "destination"), str(error))
            return None
        return FailureDestination(kind, place, access)

    def _access(self, given: str | None) -> AwsAccess:
        path = (*self.path, "params")
        if self.document.at(path) is None:
            return AwsAccess()
        if given is None or given.partition(":")[0] in FILES:
            self.problems.append(
                self.document.at_key(path, "belongs to a destination of AWS: sqs, sns or s3")
            )
        settings, wrong = ParameterReader(self.document, self.environment, ACCESS, PREFIX).read(path)
        self.problems += wrong
        reaching = Reaching(self.document, path, settings)
        access = reaching.access() if not wrong else AwsAccess()
        self.problems += reaching.problems
        self.warnings += reaching.warnings
        self.unbuilt += settings.unbuilt(ACCESS, written(path))
        return access

    def _refuse(self, path: KeyPath, message: str) -> None:
        self.problems.append(self.document.at_value(path, message))
