"""A small caller for the tests: one kept-alive connection, exact numbers, the keys of the stand-in."""

import http.client
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from local.standin import StandIn

KEYS = {"apikey": "standin-api-key", "secretkey": "standin-secret-key"}


@dataclass(frozen=True)
class Reply:
    """What came back, with the body as text and as exact JSON."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        """The body, its fractions as Decimal."""
        return json.loads(self.text, parse_float=Decimal)


class Caller:
    """Talks to one stand-in, as a client and through the admin API."""

    def __init__(self, standin: StandIn, version: str = "v4.0") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", standin.port, timeout=10)
        self.version = version

    def close(self) -> None:
        """Hang up."""
        self.connection.close()

    def request(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send anything; a string or bytes goes as it is, all else as JSON."""
        raw = body if isinstance(body, str | bytes | None) else json.dumps(body)
        self.connection.request(method, path, raw, KEYS if headers is None else headers)
        response = self.connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, response.read().decode(), fields)

    def call(self, method: str, endpoint: str, body: object = None) -> Reply:
        """Call Gameball's API with both keys."""
        return self.request(method, f"/api/{self.version}/integrations/{endpoint}", body)

    def control(self, method: str, name: str, body: object = None) -> Reply:
        """Call the admin API, which needs no keys."""
        return self.request(method, f"/_standin/{name}", body, {})

    def manual(self, **fields: object) -> Reply:
        """Post a manual transaction with the required fields filled in; None leaves a field out."""
        usual = {"customerId": "ann", "transactionId": "t-1", "username": "ops", "reason": "goodwill"}
        body = {name: value for name, value in (usual | fields).items() if value is not None}
        return self.call("POST", "transactions/manual", body)

    def batch(self, *rows: object) -> Reply:
        """Post a balance-adjustment batch."""
        return self.call("POST", "batch/balance-adjustment", {"body": list(rows)})

    def fault(self, kind: str, path: str = "batch/balance-adjustment", **options: Any) -> None:
        """Ask for a fault, which must be understood."""
        reply = self.control("POST", "faults", {"kind": kind, "method": "POST", "path": path, **options})
        assert reply.status == 200, reply.text

    def set(self, **settings: object) -> None:
        """Change settings, which must be understood."""
        reply = self.control("POST", "settings", settings)
        assert reply.status == 200, reply.text

    def audit(self, query: str = "") -> Any:
        """The audit."""
        return self.control("GET", f"audit{query}").json

    def applied(self) -> list[tuple[str, Any]]:
        """What the ledger applied: customer and amount, in order."""
        return [(entry["customerId"], entry["amount"]) for entry in self.audit()["applied"]]

    def balance(self, customer_id: str = "ann") -> Any:
        """A customer's balance."""
        return self.call("GET", f"customers/{customer_id}/balance").json["totalPointsBalance"]


def row(customer_id: object, amount: object, reason: str | None = None) -> dict[str, object]:
    """A row of a batch."""
    return {"customerId": customer_id, "amount": amount} | ({"reason": reason} if reason else {})
