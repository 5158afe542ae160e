"""What the page is built of: types that are the API's, and no more code than is quick to load."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from playwright.sync_api import expect

from api import create_app
from settings import Settings
from tests.ui.conftest import Opener

UI = Path(__file__).parents[2] / "ui"
MAX_SCRIPT_BYTES = 200_000  # as it travels, of the first page


def test_the_pages_types_are_those_of_the_openapi_document(tmp_path: Path) -> None:
    """If this fails, run ui/types and see what tsc says."""
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(create_app(Settings(home=tmp_path)).api_doc))
    made = tmp_path / "schema.d.ts"
    subprocess.run(
        ["npx", "--no-install", "openapi-typescript", str(document), "--output", str(made)],
        cwd=UI,
        check=True,
    )
    assert made.read_text() == (UI / "src/api/schema.d.ts").read_text()


def test_the_first_page_loads_less_script_than_its_budget(open_page: Opener) -> None:
    page = open_page()
    expect(page.get_by_role("button", name="Choose images")).to_be_visible()
    loaded = page.evaluate(
        """performance.getEntriesByType("resource")
            .filter(one => one.name.endsWith(".js"))
            .map(one => [one.name, one.encodedBodySize, one.decodedBodySize])"""
    )
    assert any(name.endswith("theme.js") for name, *_ in loaded)
    scripts = [one for one in loaded if "/assets/" in one[0]]
    assert scripts
    assert all(sent < whole for _, sent, whole in scripts if whole > 1000)  # compressed
    assert sum(sent for _, sent, _ in loaded) <= MAX_SCRIPT_BYTES
