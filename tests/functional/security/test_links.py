"""Links to results work for one object, for reading, and for a quarter of an hour."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from adjustments.aws.metrics import Meter, function_metrics
from adjustments.core.limits import LINK_S
from adjustments.core.settings import Settings
from adjustments.ports import BACKGROUND, AwsPorts

BUCKET, KEY = "company-adjustments", "results/20261121-120000-spring-0123456789ab/results.csv"
REGIONS = ["us-east-1", "eu-west-1", "eu-central-1"]  # the first, one with version 2, one without


@pytest.fixture(params=REGIONS)
def region(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A function in a region of AWS, wired as it is there."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", request.param)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "role-session")
    monkeypatch.setenv("BUCKET_NAME", BUCKET)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    yield request.param


def link(key: str = KEY, seconds: int = LINK_S) -> str:
    settings, meter = Settings(os.environ), Meter(function_metrics)
    return AwsPorts(settings, BACKGROUND, meter).files.link(key, seconds)


def test_link_is_signed_in_the_way_that_every_region_and_bucket_takes(region: str):
    """Buckets made since 2020 take nothing but version 4, and the signature holds the name of the host."""
    parts, query = urlsplit(link()), parse_qs(urlsplit(link()).query)
    assert (parts.scheme, parts.hostname) == ("https", f"{BUCKET}.s3.{region}.amazonaws.com")
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Credential"][0].split("/")[2:] == [region, "s3", "aws4_request"]
    assert query["X-Amz-SignedHeaders"] == ["host"]


def test_link_ends_soon(region: str):
    query = parse_qs(urlsplit(link()).query)
    made_at = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert int(query["X-Amz-Expires"][0]) == LINK_S <= 900
    assert abs(datetime.now(UTC) - made_at) < timedelta(minutes=1)


def test_link_names_one_object(region: str):
    assert unquote(urlsplit(link()).path) == f"/{KEY}"


@pytest.mark.parametrize(
    ("method", "change"),
    [
        ("PUT", ("", "")),
        ("DELETE", ("", "")),
        ("GET", ("results.csv", "report.html")),
        ("GET", ("spring", "summer")),
        ("GET", ("X-Amz-Expires=900", "X-Amz-Expires=604800")),
    ],
)
def test_signature_holds_for_nothing_else(region: str, method: str, change: tuple[str, str]):
    made = link()
    assert signature_of("GET", made) == parse_qs(urlsplit(made).query)["X-Amz-Signature"][0]
    changed = made.replace(*change)
    assert signature_of(method, changed) != parse_qs(urlsplit(changed).query)["X-Amz-Signature"][0]


def signature_of(method: str, url: str) -> str:
    """The signature that S3 works out for a request, from what the request itself says."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    query.pop("X-Amz-Signature")
    credentials = Credentials("test", "test", "role-session")
    auth = S3SigV4QueryAuth(credentials, "s3", query["X-Amz-Credential"].split("/")[2])
    request = AWSRequest(method, url.partition("?")[0], params=query)
    request.context["timestamp"] = query["X-Amz-Date"]
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))
    return str(auth.signature(to_sign, request))
