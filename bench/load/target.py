"""Whom the load goes to: an address, and what lets us in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlsplit

from requests import PreparedRequest


class TargetError(ValueError):
    """An address is none, or there are no credentials to sign with."""


def as_it_is(request: PreparedRequest) -> PreparedRequest:
    """Send a request with the headers that it has: the ``auth`` of those that ``Target`` lets in.

    Without one ``requests`` puts a password that ~/.netrc has for the host over a signature.
    """
    return request


@dataclass(frozen=True)
class Target:
    """An API of either lane.

    ``api_key`` goes as ``X-API-Key``. With ``region`` requests are signed (SigV4) with the
    credentials that boto3 finds, as a stage wants that has IAM for its authorizer. With
    ``database_url`` outcomes are read from its PostgreSQL, which spares the API the questions.
    """

    url: str
    api_key: str = field(default="", repr=False)
    region: str = ""
    database_url: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Refuse what is no address.

        Raises:
            TargetError: it is none of HTTP's.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TargetError(f"{self.url} is no address of an API: http://HOST:PORT is wanted")

    @property
    def public_url(self) -> str:
        """The address without a password that may be in it."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def to(self, path: str) -> str:
        """Return the address of a path, which begins with a slash."""
        return self.url.rstrip("/") + path

    def headers(
        self, method: str, url: str, body: bytes = b"", own: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Return what a request is to carry, besides its ``own``, to be let in."""
        headers = dict(own or {})
        if self.api_key:
            headers["X-API-Key"] = self.api_key
        return self._signed(method, url, body, headers) if self.region else headers

    @cached_property
    def _signed(self) -> Callable[[str, str, bytes, dict[str, str]], dict[str, str]]:
        import boto3
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        if (credentials := boto3.Session().get_credentials()) is None:
            raise TargetError("boto3 finds no credentials to sign requests with")

        def sign(method: str, url: str, body: bytes, headers: dict[str, str]) -> dict[str, str]:
            request = AWSRequest(method=method, url=url, data=body, headers=headers)
            frozen = credentials.get_frozen_credentials()
            SigV4Auth(frozen, "execute-api", self.region).add_auth(request)
            return dict(request.headers.items())

        return sign
