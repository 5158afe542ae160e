"""Apps in the test's own process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api import create_app
from settings import Settings


@pytest.fixture
def make(tmp_path: Path, database_url: str, broker_url: str) -> Callable[..., Any]:
    """Return a function that makes an app with such settings."""

    def made(url: str = database_url, **chosen: Any) -> Any:
        own = Settings(home=tmp_path, images_url=tmp_path.as_uri(), ui=tmp_path / "none", **chosen)
        return create_app(own.model_copy(update={"database_url": url, "broker_url": broker_url}))

    return made
