"""Nothing of the machine's own AWS configuration reaches a test."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def bare_aws(monkeypatch, tmp_path):
    """An environment without credentials, region, profile, metadata service or proxy."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path
