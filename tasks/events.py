"""Celery's events of tasks, of which a reconnect loses none."""

from __future__ import annotations

from typing import Any

from celery.app.events import Events
from celery.events.dispatcher import EventDispatcher


class LastingDispatcher(EventDispatcher):
    """Takes over all that the dispatcher before it has not sent.

    A worker that connects again makes a new one. Celery hands over what could not be sent, but not
    what was still gathered to be sent together; nor what the old one is told after that, by
    threads that still have it. Tasks would be shown as started for ever.
    """

    _next: LastingDispatcher | None = None

    def send(self, type: str, *arguments: Any, **fields: Any) -> Any:
        """Tell of something, or have the one after this tell of it."""
        if self._next:
            return self._next.send(type, *arguments, **fields)
        return super().send(type, *arguments, **fields)

    def extend_buffer(self, other: LastingDispatcher) -> None:
        """Take over what another, which is closed, has not sent; the caller flushes."""
        other._next = self
        super().extend_buffer(other)
        for group, events in other._group_buffer.items():
            self._group_buffer[group] += events
            events.clear()


class LastingEvents(Events):
    """Has the app's dispatchers be such ones."""

    dispatcher_cls = "tasks.events:LastingDispatcher"
