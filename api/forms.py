"""Read what is in a request's body, or say what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from flask import json, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from api.errors import Problem, is_no_room
from api.services import services


class _Forms(FormDataParser):
    """A parser that says why it does not read a form. Werkzeug's gives an empty one instead."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**(given | {"silent": False}))
        self._make_file, self.stream_factory = self.stream_factory, self._count_file
        self._files_most, self._files = services().settings.max_batch_files, 0

    def parse(
        self,
        stream: IO[bytes],
        mimetype: str,
        content_length: int | None,
        options: dict[str, str] | None = None,
    ) -> Any:
        try:
            return super().parse(stream, mimetype, content_length, options)
        except RequestEntityTooLarge as error:
            if content_length is None and stream.tell() >= (self.max_content_length or 0):
                raise  # it was not said in advance how long the whole is
            raise Problem(
                413,
                "form_too_large",
                f"A text in the form has more than {self.max_form_memory_size} bytes, or the form"
                f" has more than {self.max_form_parts} parts.",
            ) from error
        except UnicodeDecodeError as error:
            raise Problem(
                400, "bad_request", "The name of a file (or field) in the form is not UTF-8."
            ) from error

    def _count_file(self, *args: Any, **given: Any) -> IO[bytes]:
        self._files += 1
        if self._files > self._files_most:
            raise Problem(
                413,
                "too_many_files",
                f"The form has more than {self._files_most} files; no more are accepted.",
                max_files=self._files_most,
            )
        return self._make_file(*args, **given)


@contextmanager
def reading() -> Iterator[None]:
    """Answer a body that cannot be read for what it is: the client's mistake."""
    request.form_data_parser_class = _Forms
    try:
        yield
    except (Problem, HTTPException, MemoryError):
        raise
    except Exception as error:
        if is_no_room(error):  # for a large form's own file
            raise
        # What a server raises for a connection cut off or a malformed chunk is its own
        # affair: WSGI has no name for it, and nothing but the body is read in here.
        raise Problem(400, "incomplete_body", "The body is malformed or cut off.") from error


def no_file(field: str, advice: str) -> Problem:
    """Say that a form has no such file; and why, where it has something of that name."""
    if field in request.form:
        return Problem(
            400,
            "missing_field",
            f"`{field}` in the form is a text and no file: its part names no `filename`, or one"
            " that is broken off by a line break.",
        )
    return Problem(400, "missing_field", f"The form has no `{field}`{advice}")


def read_json() -> Any:
    """Return what the JSON in the body says; raises ``Problem`` where it is none."""
    data = request.get_data(cache=False)
    try:
        return json.loads(data)
    except ValueError as error:
        raise Problem(400, "bad_request", f"The body is not JSON: {error}.") from error
