"""The peers' own environment: `.venv-bench` in the checkout, made from bench/requirements.lock."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent
CHECKOUT = BENCH.parent
LOCK = BENCH / "requirements.lock"
VENV = CHECKOUT / ".venv-bench"


def python() -> Path:
    """The interpreter that has the peers; makes or renews the environment first where the lock has changed."""
    interpreter, stamp = VENV / "bin" / "python", VENV / ".installed"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing the peers into {VENV.name} ...", file=sys.stderr, flush=True)
        _make(interpreter)
        stamp.write_text(wanted)
    return interpreter


def versions(names: tuple[str, ...]) -> dict[str, str]:
    """The locked version of each package."""
    locked = dict(line.split(" ")[0].split("==") for line in LOCK.read_text().splitlines() if "==" in line)
    return {name: locked[name] for name in names}


def _make(interpreter: Path) -> None:
    uv = shutil.which("uv")
    if uv is not None:
        _run(uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(VENV))
        _run(uv, "pip", "sync", "--quiet", "--python", str(interpreter), "--require-hashes", str(LOCK))
        return
    _run(sys.executable, "-m", "venv", str(VENV))
    pip = (str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _run(*pip, "--require-hashes", "--no-deps", "-r", str(LOCK))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
