"""The real ``headrace run``, as a user starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3

from support.deadline import eventually

HEADRACE = str(Path(sys.executable).with_name("headrace"))

_KEPT = ("PATH", "PYTHONPATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")


def environment(**more: str) -> dict[str, str]:
    """The environment of a user whose only AWS configuration is what a test gives."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        **more,
    }


class HeadraceProcess:
    """One process over one folder. Ports are picked by the process; its log is kept whole."""

    def __init__(self, folder: Path, *, env: dict[str, str] | None = None) -> None:
        self.log: list[str] = []
        self.output: list[str] = []
        command = [
            HEADRACE,
            "run",
            "--http",
            "127.0.0.1:0",
            "--flight",
            "127.0.0.1:0",
            "--metrics",
            "127.0.0.1:0",
            "--log-format",
            "json",
        ]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=env or environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.output), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self.log), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        # A 503 is an answer to look at, not one to wait and ask again for.
        self._http = urllib3.PoolManager(retries=urllib3.Retry(3, respect_retry_after_header=False))

    @staticmethod
    def _read(stream, lines: list[str]) -> None:
        # One by one: a test looks at what has come so far.
        for line in stream:
            lines.append(line.rstrip("\n"))  # noqa: PERF401

    def _printed(self, word: str) -> str:
        def find():
            if self.process.poll() is not None:
                raise AssertionError(f"headrace left with {self.process.returncode}:\n" + "\n".join(self.log))
            return next(
                (m[1] for line in self.output if (m := re.match(rf"{word} ((?:http|grpc)\S+)", line))), None
            )

        return eventually(find, within=30, what=f"the line {word!r} on standard output")

    @property
    def url(self) -> str:
        return self._printed("HTTP")

    @property
    def flight_url(self) -> str:
        return self._printed("Flight")

    def get(self, path: str) -> urllib3.BaseHTTPResponse:
        return self._http.request("GET", self.url + path)

    def metrics(self) -> str:
        return self._http.request("GET", self._printed("Metrics")).data.decode()

    def sql(self, statement: str) -> list[dict]:
        answer = self._http.request("POST", self.url + "/v1/sql", body=statement.encode())
        assert answer.status == 200, answer.data.decode()
        return json.loads(answer.data)

    def ask(self, statement: str) -> tuple[int, str]:
        """Status and body, whatever they are."""
        answer = self._http.request("POST", self.url + "/v1/sql", body=statement.encode(), retries=False)
        return answer.status, answer.data.decode()

    def metric(self, name: str, dataset: str = "orders") -> float:
        """A metric of a dataset now."""
        sample = f'dataset_dynamodb_{name}{{dataset="{dataset}"}} '
        return next(
            float(line[len(sample) :]) for line in self.metrics().splitlines() if line.startswith(sample)
        )

    def refused(self, statement: str) -> tuple[int, str]:
        answer = self._http.request("POST", self.url + "/v1/sql", body=statement.encode())
        return answer.status, answer.data.decode()

    def dataset(self, name: str) -> dict:
        answer = self.get("/v1/datasets?status=true")
        return next(d for d in json.loads(answer.data) if d["name"] == name)

    def until_ready(self, within: float = 60) -> None:
        eventually(
            lambda: self.get("/v1/ready").status == 200,
            within=within,
            what="ready; log:\n" + "\n".join(self.log[-10:]),
        )

    def events(self, name: str) -> list[dict]:
        found = []
        for line in self.log:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("event") == name:
                found.append(event)
        return found

    def until_it_heeds_signals(self) -> None:
        """Wait until SIGTERM has a handler: before, it ends the process as it ends any other."""

        def heeds() -> bool:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            caught = int(re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)[1], 16)
            return bool(caught >> (signal.SIGTERM - 1) & 1)

        eventually(heeds, within=30, what="a handler for SIGTERM", every=0.001)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Every thread of the process stops until the block ends."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        self.process.send_signal(signal.SIGSTOP)
        try:
            # The signal reaches the threads one by one.
            eventually(
                lambda: all("\nState:\tT" in (task / "status").read_text() for task in tasks.iterdir()),
                within=10,
                what="every thread of the process stopped",
                every=0.001,
            )
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self._wait()

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self._wait()

    def _wait(self) -> int:
        code = self.process.wait(30)
        for reader in self._readers:
            reader.join(5)
        self.process.stdout.close()
        self.process.stderr.close()
        return code
