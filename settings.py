"""Every setting of Skylane, typed, read once from the environment.

A field ``api_port`` is the variable ``SKYLANE_API_PORT``; the addresses that every platform
names alike (``DATABASE_URL``, ``BROKER_URL``, OpenTelemetry's) keep their usual names.
"""

from __future__ import annotations

import ipaddress
import os
import re
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

# Looking for plug-ins of pydantic among all that is installed takes 50 ms of every start.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

ROOT = Path(__file__).resolve().parent
MEBIBYTE = 1024 * 1024
DAY_S, YEAR_S = 86_400, 366 * 86_400  # beyond years PostgreSQL has no such age, or such a date
BROKERS = ("redis://", "rediss://", "redis+socket://")
# In an address, and among parameters in libpq's other form.
PASSWORD = re.compile(r"://[^:@/]*:(.*)@|\w*password\s*=\s*'?([^\s'&]+)")
SHORTEST = 4  # characters of a password that is looked for in logs: less is in many words
# As Flower reads and compares them. An empty password lets in whoever sends an empty one.
LOGINS = re.compile(r"[^\s:,][^:,]*:[^,]+(,[^\s:,][^:,]*:[^,]+)*")
# A file in it that is named like a variable has its value: secrets of Docker and Kubernetes.
SECRETS_DIR = os.environ.get("SKYLANE_SECRETS_DIR", "")
SECRETS = Path(SECRETS_DIR or "/run/secrets")


class Settings(BaseSettings):
    """One immutable set of settings.

    A wrong value raises ``pydantic.ValidationError``; unreadable secrets ``SettingsError``.
    """

    model_config = SettingsConfigDict(
        env_prefix="SKYLANE_",
        frozen=True,
        env_ignore_empty=True,
        allow_inf_nan=False,
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
        hide_input_in_errors=True,  # what is wrong may be a password
    )

    # Where things are. An empty address means: start one of our own (see local/).
    home: Path = ROOT / ".skylane"  # data of the embedded servers, images, caches
    database_url: str = Field(default="", validation_alias="DATABASE_URL", repr=False)
    broker_url: str = Field(default="", validation_alias="BROKER_URL", repr=False)  # a Redis
    # file:///folder or s3://bucket/prefix; default: home/images
    images_url: str = Field(default="", pattern=r"^(file:///.*|s3://[^/]+.*)?$")
    s3_endpoint_url: str = ""  # of an S3-compatible store; empty: AWS
    # What is served: an artefact, or with torch installed a checkpoint (.safetensors).
    artefact: Path = ROOT / "model" / "weights" / "resnet50-eurosat-int8.zip"
    # Or an artefact on S3, fetched once: s3://BUCKET/KEY#sha256=DIGEST
    artefact_url: str = Field(default="", pattern=r"^(s3://[^/]+/[^#]+#sha256=[0-9a-f]{64})?$")
    lane: Literal["on-prem", "serverless"] = "on-prem"

    # Who may reach it.
    host: str = "127.0.0.1"  # what the API listens on
    api_port: int = Field(default=8000, ge=1, le=65535)
    flower_host: str = "127.0.0.1"
    flower_port: int = Field(default=5555, ge=1, le=65535)
    # Whether it takes an API key to use the API, and a password to look at Flower; auto: unless
    # they listen on loopback alone. In the cloud auto is keys.
    access: Literal["auto", "keys", "open"] = "auto"
    # USER:PASSWORD, several with commas. (FLOWER_BASIC_AUTH, which is Flower's own, does as well.)
    flower_basic_auth: str = Field(default="", repr=False)
    # A key that migrations store, so that there is one from the start: as `skylane init` makes it.
    initial_key: str = Field(default="", repr=False)
    # Requests by each key, or by each address where no keys are needed: 600/minute. None: no limit.
    rate_limit: str = Field(default="", pattern=r"^([1-9]\d*/(second|minute|hour|day))?$")

    # What it tells of itself.
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"  # requests, tasks: INFO
    # Whom OpenTelemetry's traces go to (OTLP by HTTP); nobody: none are made.
    traces_endpoint: str = Field(default="", validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    metrics_host: str = "127.0.0.1"  # where a program's figures for Prometheus are served to all,
    # and at which port. 0: nowhere, but the API's own /metrics, for those it serves anyway.
    metrics_port: int = Field(default=0, ge=0, le=65535)

    # The API.
    api_processes: int = Field(default=1, ge=1, le=1024)
    api_threads: int = Field(
        default=96, ge=4, le=10_000
    )  # a thread is only a place for one request to wait in
    # How long an upload waits when its caller does not say; default: 10 on-prem, 0 in the cloud.
    upload_wait_s: float | None = Field(default=None, ge=0, le=60)
    max_image_bytes: int = Field(default=10 * MEBIBYTE, ge=1, le=1024 * MEBIBYTE)
    # Of a whole request, so of a batch.
    max_body_bytes: int = Field(default=64 * MEBIBYTE, ge=1, le=16 * 1024 * MEBIBYTE)
    max_batch_files: int = Field(default=1000, ge=1, le=100_000)
    # Uploads are refused (429) while so many images are unfinished, or one waits for so long that
    # nobody began to work on; 0: never.
    max_queued: int = Field(default=20_000, ge=0, le=1_000_000_000)
    max_queue_age_s: float = Field(default=3600.0, ge=0, le=YEAR_S)
    # How the lanes compare, as the bench wrote it; default: home/report.json
    report: Path | None = None
    ui: Path = ROOT / "ui" / "dist"  # the page that is served at /, as ui/build makes it
    # Pages from elsewhere that may use this API, by their origins: https://page.example,… or *
    cors_origins: str = Field(
        default="", pattern=r"^(\*|https?://[^/,\s]+(\s*,\s*https?://[^/,\s]+)*)?$"
    )
    # The other lane's API, which the page shows beside this one.
    peer_api_url: str = Field(default="", pattern=r"^(https?://\S+)?$")

    # The worker.
    # Messages in hand at once, most of them waiting.
    worker_threads: int = Field(default=64, ge=1, le=10_000)
    # Micro-batches in work at once, a core each; default: the cores that this process is given.
    worker_streams: int | None = Field(default=None, ge=1, le=512)
    batch_size: int = Field(default=64, ge=1, le=128)  # images predicted together, at most
    # The first image of a batch waits for others.
    batch_wait_ms: float = Field(default=0.0, ge=0, le=60_000)
    # A batch stuck longer ends its worker.
    task_time_limit_s: float = Field(default=300.0, gt=0, le=DAY_S)

    # Recovery.
    sweep_every_s: float = Field(default=5.0, gt=0, le=DAY_S)
    # Pending or running for longer: enqueue again.
    stale_after_s: float = Field(default=30.0, gt=0, le=YEAR_S)
    max_attempts: int = Field(default=3, ge=1, le=1000)  # times that work on an image is begun
    # Finished predictions go with their images when they are so old; 0: they are kept for ever.
    retention_days: float = Field(default=0.0, ge=0, le=36_500)
    # A worker silent for five of these is not live.
    heartbeat_s: float = Field(default=2.0, gt=0, le=3600)

    @field_validator("broker_url")
    @classmethod
    def _a_redis(cls, value: str) -> str:
        if value and not value.startswith(BROKERS):  # kombu makes RabbitMQ of anything else
            raise ValueError(f"should begin with {', '.join(BROKERS)}")
        return value

    @field_validator("s3_endpoint_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and not (parts.scheme in ("http", "https") and parts.hostname and parts.port != 0):
            raise ValueError("should be an address such as http://127.0.0.1:9000")
        return value

    @field_validator("flower_basic_auth")
    @classmethod
    def _some_logins(cls, value: str) -> str:
        return require_logins(value) if value else value

    @classmethod
    def settings_customise_sources(
        cls, *arguments: Any, **sources: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the usual sources. To go on without secrets would be to start unlocked."""
        require_secrets(SECRETS, named=bool(SECRETS_DIR), variables=cls.variables())
        return super().settings_customise_sources(*arguments, **sources)

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Return what each setting is called in the environment, by its field."""
        prefix = cls.model_config.get("env_prefix", "")
        return {
            name: str(field.validation_alias or f"{prefix}{name}".upper())
            for name, field in cls.model_fields.items()
        }

    @property
    def keys_required(self) -> bool:
        """Whether the API answers only those who have a key."""
        if self.access == "auto":
            return self.lane == "serverless" or not is_loopback(self.host)
        return self.access == "keys"

    @property
    def passwords(self) -> tuple[str, ...]:
        """What no log may have in it, the longest first."""
        found = {self.initial_key}
        for url in (self.database_url, self.broker_url):
            found |= {given for match in PASSWORD.finditer(url) if (given := match[1] or match[2])}
        found |= {entry.partition(":")[2] for entry in self.flower_basic_auth.split(",")}
        found |= {unquote(one) for one in found}
        return tuple(sorted((one for one in found if len(one) >= SHORTEST), key=len, reverse=True))

    @property
    def default_wait_s(self) -> float:
        """How long an upload waits when its caller does not say."""
        if self.upload_wait_s is None:
            return 10.0 if self.lane == "on-prem" else 0.0
        return self.upload_wait_s

    @property
    def longest_wait_s(self) -> float:
        """How long an upload waits at most. API Gateway gives up on an answer after 30 s."""
        return 60.0 if self.lane == "on-prem" else 20.0

    @property
    def report_path(self) -> Path:
        """Where the bench's report is, if there is one."""
        return self.report or self.home / "report.json"

    @property
    def image_store_url(self) -> str:
        """The image store's address, with the default filled in."""
        return self.images_url or (self.home.resolve() / "images").as_uri()


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches what listens on ``host``.

    A name but localhost is not looked up: it may come to mean something else.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_logins(text: str) -> str:
    """Return Flower's logins as they are.

    Raises:
        ValueError: somebody could not log in by them, or anybody.
    """
    if text.isascii() and LOGINS.fullmatch(text):
        return text
    raise ValueError(
        "should be USER:PASSWORD in ASCII, or several with commas between, and none of it empty"
    )


def require_secrets(folder: Path, *, named: bool, variables: dict[str, str]) -> None:
    """Check that a folder of secrets that somebody ``named`` is one, and its files are text.

    Raises:
        SettingsError: it is none, or one of them is not; the message is a line.
    """
    if not folder.is_dir():
        if named:
            raise SettingsError(f"SKYLANE_SECRETS_DIR={folder} is no directory.")
        return
    names = {name.lower() for name in variables.values()}
    try:
        for path in folder.iterdir():
            if path.name.lower() in names and path.is_file():
                path.read_text()
    except OSError as error:
        raise SettingsError(f"{error.filename} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is no text in UTF-8, as the value of a setting is.") from None


@cache
def settings() -> Settings:
    """Return the process's settings, read from the environment on the first call."""
    return Settings()
