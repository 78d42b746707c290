"""A folder with a Spicepod in it, loaded as the commands load it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from headrace.config import Pod, load_pod
from headrace.errors import ConfigError


@dataclass(frozen=True)
class PodFolder:
    path: Path

    def load(self, text: str, environ: Mapping[str, str] | None = None) -> Pod:
        (self.path / "spicepod.yaml").write_text(text, encoding="utf-8")
        return load_pod(None, environ or {}, self.path)

    def refusal(self, text: str, environ: Mapping[str, str] | None = None) -> str:
        with pytest.raises(ConfigError) as refused:
            self.load(text, environ)
        return str(refused.value)

    def dataset(self, *, params: str = "", acceleration: str = "", more: str = "") -> str:
        """A Spicepod with one dataset; each argument is lines of YAML for its block, joined by '; '."""
        lines = ["datasets:", "  - from: dynamodb:orders", "    name: orders"]
        lines += ["    params:", *(f"      {line}" for line in params.split("; "))] if params else []
        built = acceleration if "refresh_mode" in acceleration else f"refresh_mode: changes; {acceleration}"
        lines += ["    acceleration:", *(f"      {line}" for line in built.split("; ") if line)]
        lines += [f"    {line}" for line in more.split("; ") if line]
        return "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path) -> PodFolder:
    return PodFolder(tmp_path)


@pytest.fixture
def only(folder) -> Callable[..., object]:
    """Loads a Spicepod of one dataset and gives that dataset."""

    def load(environ: Mapping[str, str] | None = None, **blocks: str):
        (dataset,) = folder.load(folder.dataset(**blocks), environ).datasets
        return dataset

    return load
