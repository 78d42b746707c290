"""Where snapshots are kept, from the Spicepod's own ``snapshots``, and when a dataset's are taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

from headrace.config import acceleration as accelerating
from headrace.config.acceleration_model import AccelerationEntry
from headrace.config.document import Document
from headrace.config.kind import choice, duration, flag, hidden, text, url
from headrace.config.model import SnapshotsEntry
from headrace.config.parameter import Parameter, Settings, Unbuilt
from headrace.config.problem import BadValueError, KeyPath, Problem
from headrace.config.quantity import SECOND, parse_duration
from headrace.dataset import (
    AwsAccess,
    RefreshMode,
    RestoreFailure,
    SnapshotMode,
    SnapshotPlace,
    Snapshots,
)

T = TypeVar("T")

FOLDER: Final = Path(".headrace") / "snapshots"
"""Where snapshots are kept, from the Spicepod's folder, unless it names another place."""

INTERVAL: Final = 600.0
"""Seconds between snapshots of a dataset that follows its stream, unless its keys say otherwise (as in Spice)."""

_PATH: KeyPath = ("snapshots",)

_WRITING: Final[tuple[Parameter[str], ...]] = (
    accelerating.SNAPSHOTS_TRIGGER,
    accelerating.SNAPSHOTS_TRIGGER_THRESHOLD,
    accelerating.SNAPSHOTS_CREATION_POLICY,
)
"""What tells when snapshots are written."""

S3_REGION = Parameter(
    "s3_region",
    text("an AWS region such as us-east-1", r"[a-z]+(-[a-z0-9]+)*[0-9]*"),
    "The region of the bucket. Without it, the region of the AWS configuration.",
)
S3_ENDPOINT = Parameter(
    "s3_endpoint",
    url(),
    "Where the bucket is reached, for what speaks S3's protocol. Without it, the AWS configuration decides "
    "(`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`), else AWS.",
)
S3_AUTH = Parameter(
    "s3_auth",
    choice("iam_role", "key"),
    "Where credentials come from: `key` takes the next three keys, `iam_role` the AWS credential chain. Without it, the "
    "keys where they are given, else the chain.",
)
S3_KEY = Parameter("s3_key", hidden(), "The AWS access key id.")
S3_SECRET = Parameter("s3_secret", hidden(), "The AWS secret access key that goes with `s3_key`.")
S3_SESSION_TOKEN = Parameter(
    "s3_session_token",
    hidden(),
    "The AWS session token of temporary credentials. Absent where its reference stands for nothing.",
    optional=True,
)

PLACE: Final[tuple[Parameter[object], ...]] = (
    S3_REGION,
    S3_ENDPOINT,
    S3_AUTH,
    S3_KEY,
    S3_SECRET,
    S3_SESSION_TOKEN,
    Parameter(
        "client_timeout",
        duration(),
        "How long an answer is waited for.",
        unbuilt=Unbuilt("not built yet; a minute"),
    ),
    Parameter(
        "allow_http",
        flag(),
        "Whether an endpoint may be without encryption.",
        unbuilt=Unbuilt("no effect; the address of the endpoint says it", ("true",)),
    ),
)
"""Every parameter of the place, in the order of documentation."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The Spicepod's ``snapshots``, None where it has none, and where snapshots are kept."""

    entry: SnapshotsEntry | None
    place: SnapshotPlace


@dataclass(slots=True)
class Placing:
    """The Spicepod's ``snapshots`` in the making. ``problems`` grow while ``placed`` runs."""

    document: Document
    folder: Path
    entry: SnapshotsEntry | None
    settings: Settings
    problems: list[Problem] = field(default_factory=list)

    def placed(self) -> Placed:
        """What they say; it holds only if ``problems`` stays empty."""
        return Placed(self.entry, self._place())

    def _place(self) -> SnapshotPlace:
        location = self.entry.location if self.entry is not None else None
        if location is None:
            return self._folder(self.folder / FOLDER)
        if location.startswith("~") or "${" in location:
            self._refuse(
                "location",
                "'~' and references are not expanded here; write the whole path, or the bucket's name",
            )
        scheme, separator, _ = location.partition("://")
        match scheme.lower() if separator else None:
            case None:
                return self._folder(self.folder / location)
            case "file":
                parts = urlsplit(location)
                if parts.netloc not in ("", "localhost") or not parts.path:
                    self._refuse("location", "a folder is written file:///FOLDER, or as a path alone")
                return self._folder(Path(unquote(parts.path) or "/"))
            case "s3":
                return self._bucket(location)
            case _:
                self._refuse(
                    "location",
                    f"{scheme}:// is not a place that is known; name a folder, or s3://BUCKET/PREFIX",
                )
                return SnapshotPlace()

    def _folder(self, folder: Path) -> SnapshotPlace:
        for given in self.settings.given.values():
            self.problems.append(
                self.document.at_key(
                    (*_PATH, "params", given.key), "belongs to a location s3://BUCKET/PREFIX"
                )
            )
        if folder.exists() and not folder.is_dir():
            self._refuse("location", f"{folder} is a file; name a folder")
        return SnapshotPlace(folder=folder)

    def _bucket(self, location: str) -> SnapshotPlace:
        parts = urlsplit(location)
        if not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
            self._refuse("location", "a bucket is written s3://BUCKET or s3://BUCKET/PREFIX")
        return SnapshotPlace(
            bucket=parts.netloc, prefix=unquote(parts.path).strip("/"), access=self._access()
        )

    def _access(self) -> AwsAccess:
        get = self.settings.get
        key, secret, token = get(S3_KEY), get(S3_SECRET), get(S3_SESSION_TOKEN)
        if (key is None) != (secret is None):
            self._refuse("params", "s3_key and s3_secret go together; give both")
        elif key is None and (token is not None or get(S3_AUTH) == "key"):
            self._refuse(
                "params", "needs s3_key and s3_secret too; give them, or leave the credentials to the chain"
            )
        if get(S3_AUTH) == "iam_role" and key is not None:
            self._refuse(
                "params",
                "s3_key and s3_secret are not used with s3_auth: iam_role; write key, or remove them",
            )
        return AwsAccess(get(S3_REGION), get(S3_ENDPOINT), key, secret, token)

    def _refuse(self, key: str, message: str) -> None:
        self.problems.append(self.document.at_value((*_PATH, key), message))


@dataclass(slots=True)
class Snapshotted:
    """When snapshots of one dataset are taken.

    ``path`` is its acceleration's in the document; ``pod`` and ``place`` are as in Placed. ``problems`` and ``warnings`` grow while ``snapshots`` runs.
    """

    document: Document
    path: KeyPath
    entry: AccelerationEntry
    settings: Settings
    pod: SnapshotsEntry | None
    place: SnapshotPlace
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def snapshots(self) -> Snapshots | None:
        """What the dataset asks for, None where that is nothing."""
        mode = self._mode()
        if not mode.writes:
            self._expect_no_times(mode)
        if mode is SnapshotMode.DISABLED:
            return None
        if self.pod is not None and not self.pod.enabled:
            place = self.document.key_place((*_PATH, "enabled"))
            self._warn_at(
                accelerating.SNAPSHOTS,
                f"no snapshot is written or restored: snapshots.enabled is false ({place})",
            )
            return None
        batches, interval = self._trigger()
        return Snapshots(
            place=self.place,
            mode=mode,
            batches=batches,
            interval=interval,
            always=self._given(accelerating.SNAPSHOTS_CREATION_POLICY) == "always",
            on_failure=RestoreFailure(self.pod.bootstrap_on_failure_behavior)
            if self.pod
            else RestoreFailure.WARN,
            keep=self.pod.keep if self.pod else Snapshots(self.place).keep,
        )

    def _mode(self) -> SnapshotMode:
        mode = self._given(accelerating.SNAPSHOTS)
        if mode is not None:
            return SnapshotMode(mode)
        asks = (accelerating.SNAPSHOTS_TRIGGER, accelerating.SNAPSHOTS_TRIGGER_THRESHOLD)
        # Whoever says when snapshots are taken wants some.
        asked = any(self._given(parameter) is not None for parameter in asks)
        return SnapshotMode.ENABLED if asked else SnapshotMode.DISABLED

    def _expect_no_times(self, mode: SnapshotMode) -> None:
        """Say of each key that tells when snapshots are written that none are."""
        for parameter in _WRITING:
            if self._given(parameter) is not None:
                self._warn_at(parameter, f"no effect with snapshots: {mode}, by which none are written")

    def _trigger(self) -> tuple[int | None, float | None]:
        """Batches and seconds between snapshots; neither: after each refresh."""
        follows = RefreshMode(self.entry.refresh_mode) is RefreshMode.CHANGES
        threshold = self._given(accelerating.SNAPSHOTS_TRIGGER_THRESHOLD)
        counts = threshold is not None and threshold.isdigit()
        trigger = self._given(accelerating.SNAPSHOTS_TRIGGER)
        if trigger is None:
            timed = "time_interval" if follows or threshold is not None else "refresh_complete"
            trigger = "stream_batches" if counts else timed
        match trigger:
            case "stream_batches":
                if not follows and self._given(accelerating.SNAPSHOTS_TRIGGER) is None:
                    self._refuse(
                        accelerating.SNAPSHOTS_TRIGGER_THRESHOLD,
                        "a number of batches needs refresh_mode: changes; write a duration, such as 10m",
                    )
                elif not follows:
                    self._refuse(
                        accelerating.SNAPSHOTS_TRIGGER,
                        "stream_batches needs refresh_mode: changes; choose time_interval",
                    )
                elif threshold is None or not counts:
                    self._refuse(
                        accelerating.SNAPSHOTS_TRIGGER_THRESHOLD,
                        "stream_batches needs a number of batches, such as 300",
                    )
                return int(threshold) if threshold is not None and counts else 1, None
            case "refresh_complete":
                if follows:
                    self._refuse(
                        accelerating.SNAPSHOTS_TRIGGER,
                        "there are no refreshes with refresh_mode: changes; choose time_interval or stream_batches",
                    )
                elif threshold is not None:
                    self._refuse(
                        accelerating.SNAPSHOTS_TRIGGER_THRESHOLD,
                        "each refresh is followed by a snapshot; remove the key, or choose snapshots_trigger: time_interval",
                    )
                return None, None
            case _:
                return None, self._interval(threshold)

    def _interval(self, threshold: str | None) -> float:
        if threshold is None:
            return INTERVAL
        try:
            return parse_duration(threshold) / SECOND
        except BadValueError:
            self._refuse(
                accelerating.SNAPSHOTS_TRIGGER_THRESHOLD, "time_interval needs a duration, such as 10m"
            )
            return INTERVAL

    def _given(self, parameter: Parameter[T]) -> T | None:
        """What stands under ``acceleration``, or under its ``params``."""
        own: T | None = getattr(self.entry, parameter.name)
        if own is not None:
            return own
        return self.settings.get(parameter) if parameter.name in self.settings.given else None

    def _at(self, parameter: Parameter[object]) -> KeyPath:
        if parameter.name in self.settings.given:
            return (*self.path, "params", self.settings.key(parameter))
        return (*self.path, parameter.name)

    def _refuse(self, parameter: Parameter[object], message: str) -> None:
        self.problems.append(self.document.at_value(self._at(parameter), message))

    def _warn_at(self, parameter: Parameter[object], message: str) -> None:
        self.warnings.append(self.document.at_value(self._at(parameter), message))
