"""How a table, queue, topic or bucket of AWS is reached, from the parameters that say so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from headrace.config import connector
from headrace.config.document import Document
from headrace.config.parameter import Parameter, Settings
from headrace.config.problem import KeyPath, Problem
from headrace.dataset import AwsAccess

ACCESS: Final[tuple[Parameter[object], ...]] = (
    connector.AWS_REGION,
    connector.AWS_ACCESS_KEY_ID,
    connector.AWS_SECRET_ACCESS_KEY,
    connector.AWS_SESSION_TOKEN,
    connector.AWS_AUTH,
    connector.AWS_IAM_ROLE_SOURCE,
    connector.ENDPOINT_URL,
)
"""The parameters that say so, in the order of documentation."""

OF_MAPPINGS: Final = (*ACCESS, connector.MAX_READ_CAPACITY_UNITS)
"""Those of the table of an event source mapping."""


@dataclass(slots=True)
class Reaching:
    """The access that a block of parameters, at ``path``, describes. ``problems`` and ``warnings`` grow while ``access`` runs."""

    document: Document
    path: KeyPath
    settings: Settings
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def access(self) -> AwsAccess:
        """What they say; it holds only if ``problems`` stays empty."""
        key_id = self.settings.get(connector.AWS_ACCESS_KEY_ID)
        secret = self.settings.get(connector.AWS_SECRET_ACCESS_KEY)
        token = self.settings.get(connector.AWS_SESSION_TOKEN)
        auth = self.settings.get(connector.AWS_AUTH)
        pair = "aws_access_key_id and aws_secret_access_key"
        if auth == "key" and key_id is None and secret is None:
            self._refuse(connector.AWS_AUTH, f"'key' needs {pair}; give both")
        elif (key_id is None) != (secret is None):
            given = connector.AWS_ACCESS_KEY_ID if secret is None else connector.AWS_SECRET_ACCESS_KEY
            lacking = connector.AWS_SECRET_ACCESS_KEY if secret is None else connector.AWS_ACCESS_KEY_ID
            self._refuse(given, f"needs {lacking.name} beside it; give both")
        elif token is not None and key_id is None:
            self._refuse(connector.AWS_SESSION_TOKEN, f"needs {pair} beside it; give all three, or none")
        if auth == "iam_role" and key_id is not None:
            at = self.document.at_value(
                self._at(connector.AWS_AUTH), f"{pair} are not used with iam_role; write 'key' to use them"
            )
            self.warnings.append(at)
            key_id = secret = token = None
        return AwsAccess(
            region=self.settings.get(connector.AWS_REGION),
            endpoint_url=self.settings.get(connector.ENDPOINT_URL),
            access_key_id=key_id,
            secret_access_key=secret,
            session_token=token,
        )

    def _at(self, parameter: Parameter[object]) -> KeyPath:
        return (*self.path, self.settings.key(parameter))

    def _refuse(self, parameter: Parameter[object], message: str) -> None:
        self.problems.append(self.document.at_value(self._at(parameter), message))
