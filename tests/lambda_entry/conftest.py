"""A package with a target that shows what it gets."""

from __future__ import annotations

import sys
import types
import uuid

import pytest

from support.lambda_functions import TAKER, Package


@pytest.fixture
def package(tmp_path):
    made = Package(tmp_path)
    yield made
    made.close()


@pytest.fixture
def taker(monkeypatch):
    """The module of a target of a user's own."""
    module = types.ModuleType(f"taker_{uuid.uuid4().hex}")
    exec(TAKER, module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    # Opening a target puts its folder there.
    monkeypatch.setattr(sys, "path", list(sys.path))
    return module


def mapping(module, name="taken", **more):
    target = {"custom": {"class": f"{module.__name__}:Taker"}}
    return {
        "name": name,
        "from": "dynamodb:orders",
        "params": {"aws_region": "us-east-1"},
        "target": target,
        **more,
    }


@pytest.fixture
def mapped(taker):
    """Makes an entry of event_source_mappings with that target."""
    return lambda name="taken", **more: mapping(taker, name, **more)
