"""Celery's consumer of messages, with its events sent together."""

from __future__ import annotations

from typing import Any

from celery.worker.consumer import Consumer

FLUSH_EVENTS_EVERY_S = 0.5


class QuietConsumer(Consumer):
    """Tells of tasks twice a second and not three times a task.

    An event is a message to every monitor, and costs the thread that takes up work more than
    the work's own message does. Events hold the time that they tell of, so to come later
    makes none of them wrong; and what waits is sent after a reconnect (``LastingDispatcher``) and
    at the end. A worker that is killed takes the last half second with it.
    """

    def on_send_event_buffered(self) -> None:
        """Leave it to the timer: what is full (24 events) is sent at once all the same."""

    def register_with_event_loop(self, hub: Any) -> None:
        # After a reconnect as well: Celery has cancelled the timer of the connection before.
        super().register_with_event_loop(hub)
        hub.call_repeatedly(FLUSH_EVENTS_EVERY_S, self._flush_events)

    def shutdown(self) -> None:
        """Tell of what was done last, and end."""
        self._flush_events()
        super().shutdown()
