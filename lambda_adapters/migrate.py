"""The schema brought up to date while a stack is deployed: a CloudFormation custom resource.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import json
import logging
import urllib.request
from typing import Any

from lambda_adapters import keys
from settings import settings
from store.errors import StoreError
from store.keys import MalformedKey, adopt_initial
from store.migrations import migrate

log = logging.getLogger(__name__)

PHYSICAL_ID = "skylane-schema"
ANSWER_TIMEOUT_S = 10


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Apply what is missing, store the first key, and tell CloudFormation, if it asks, of it.

    A stack that is removed leaves the schema alone: the database goes or stays as a whole.

    Raises:
        StoreError, MalformedKey: that failed, and no CloudFormation waits to be told.
    """
    if "keys" in event:  # an operator's, who reaches the database by no other way
        return keys.answer(event, settings().database_url)
    told: dict[str, Any] = {"Status": "SUCCESS", "Data": {"applied": ""}}
    try:
        if event.get("RequestType") != "Delete":
            database_url = settings().database_url
            told["Data"]["applied"] = ", ".join(migrate(database_url))
            adopt_initial(database_url, settings().initial_key)
    except (StoreError, MalformedKey) as error:
        if "ResponseURL" not in event:
            raise
        log.exception("the migration failed")
        told = {"Status": "FAILED", "Reason": str(error)[:1000]}
    if "ResponseURL" in event:
        _answer(event, told)
    return told


def _answer(event: dict[str, Any], told: dict[str, Any]) -> None:
    # Else CloudFormation waits for an hour.
    body = told | {
        "PhysicalResourceId": event.get("PhysicalResourceId", PHYSICAL_ID),
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    request = urllib.request.Request(  # noqa: S310  (an address that AWS gave)
        event["ResponseURL"],
        data=json.dumps(body).encode(),
        method="PUT",
        headers={"Content-Type": ""},  # the address is signed for none
    )
    with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S):  # noqa: S310
        pass
