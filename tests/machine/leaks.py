"""Searching all that a run leaves for what it must not hold."""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD")


def secrets_of(environment: Mapping[str, str]) -> list[bytes]:
    """Passwords and keys, plain and as HTTP sends a login."""
    plain = [environment[name] for name in NAMES]
    user = environment["MLFLOW_TRACKING_USERNAME"]
    sent = base64.b64encode(f"{user}:{environment['MLFLOW_TRACKING_PASSWORD']}".encode())
    return [*(each.encode() for each in plain), sent]


def files_with(secrets: list[bytes], folder: Path) -> tuple[int, list[Path]]:
    """How many files there are, and those that hold a secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return len(files), [path for path in files if any(secret in path.read_bytes() for secret in secrets)]


def objects_of(environment: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Every object of the store, of all buckets, by the client that everybody has."""
    store = s3(environment)
    for bucket in store.list_buckets()["Buckets"]:
        for page in store.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
            for each in page.get("Contents", []):
                content = store.get_object(Bucket=bucket["Name"], Key=each["Key"])["Body"].read()
                yield f"{bucket['Name']}/{each['Key']}", content


def s3(environment: Mapping[str, str]) -> Any:
    """boto3's own client, as an environment says."""
    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
        config=Config(retries={"max_attempts": 1}),
    )
