"""What schemathesis needs to know beside the document: how calls are signed, and what no schema says."""

from typing import Any

import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from requests.auth import AuthBase
from requests.models import PreparedRequest
from schemathesis.generation.meta import CoverageScenario

from local.environment import ACCESS_KEY, REGION, SECRET_KEY


class Signature(AuthBase):
    """Signs a request as IAM asks for."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        signed = AWSRequest(request.method, request.url, dict(request.headers), request.body or b"")
        SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "execute-api", REGION).add_auth(signed)
        request.headers.update(dict(signed.headers.items()))
        return request


schemathesis.auth.set_from_requests(Signature())  # type: ignore[attr-defined]


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out calls made without ``Authorization`` for the check missing_required_header.

    It wants 401 for those, and no setting says otherwise; API Gateway answers 403. The check ignored_auth
    makes such calls too, without a signature and with a wrong one, and knows both.
    """
    data = case.meta.phase.data if case.meta else None
    is_missing = getattr(data, "scenario", None) is CoverageScenario.MISSING_PARAMETER
    return not (is_missing and str(getattr(data, "parameter", "")).lower() == "authorization")


@schemathesis.hook
def before_call(context: Any, case: Any, **kwargs: Any) -> None:
    """No schema can say that a number has 15 digits at most or is within a stack's own limit, or that a time
    is not in the future or not before another one.
    """
    query = case.query or {}
    if str(query.get("until", "")) < str(query.get("since", "")):
        query.pop("until", None)
    body = case.body
    if not isinstance(body, dict) or "transactionId" not in body:
        return
    if isinstance(body.get("amount"), float):
        body["amount"] = round(body["amount"] % 1_000, 2) or 1.5
    for name in ("points", "amount"):  # the stack's own limit is a parameter (MaxManualAmount)
        if isinstance(body.get(name), int | float) and 10**6 < abs(body[name]) < 10**15:
            body[name] = body[name] % 10**6 or 1
    if isinstance(body.get("transactionTime"), str) and body["transactionTime"] > "2026":
        body["transactionTime"] = "2025" + body["transactionTime"][4:]


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Ask no code of a refused signature: the emulator answers in its own words, and not in those that the
    template has for the gateway (tests/template/test_functions.py).
    """
    answer = raw_schema["components"]["responses"]["NotAllowed"]["content"]["application/json"]
    answer["schema"] = {"type": "object"}
