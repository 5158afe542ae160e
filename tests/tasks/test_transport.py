"""LastingTransport: what is done with a connection that was lost fails as a lost connection."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from kombu.entity import Queue

from tasks.celery_app import app


def test_an_acknowledgement_after_the_broker_was_given_up_is_no_error_that_nobody_expects(
    broker_url: str,
) -> None:
    connection: Any = app.connection_for_read(broker_url)
    made: Any = Queue  # kombu has no types
    queue = made(f"given-up-{uuid4()}")
    with app.amqp.Producer(connection.default_channel) as producer:
        producer.publish({}, routing_key=queue.name, declare=[queue])
    message = queue(connection.default_channel).get()
    errors = connection.connection_errors
    # As a worker does that has lost its broker, in this order.
    message.channel._disconnect_pools()
    connection._do_close_transport()
    with pytest.raises(errors, match="given up"):
        message.ack()
    message.channel.do_restore = False  # else it tries again when it is collected
