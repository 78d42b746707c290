"""The Spicepod that ``headrace init`` writes."""

from __future__ import annotations

STARTER = """\
# A Spicepod: which DynamoDB tables to keep live in SQL.
# `headrace validate` says what it would do, `headrace run` does it.
version: v1
kind: Spicepod
name: my_pod

datasets:
  - from: dynamodb:orders # the table; its stream must be on, with new images
    name: orders # its name in SQL
    params:
      aws_region: us-east-1
      # endpoint_url: http://127.0.0.1:8000 # for `headrace local` and other emulators
      # Without keys, the AWS credential chain is used (environment, profile, SSO, role).
      # aws_access_key_id: ${secrets:aws_access_key_id}
      # aws_secret_access_key: ${secrets:aws_secret_access_key}
      # ready_lag: 2s
    acceleration:
      engine: duckdb
      mode: file # a restart resumes instead of scanning again
      refresh_mode: changes # follow the table's stream
"""
