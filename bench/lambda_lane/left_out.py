"""What AWS has and this machine has not, with what is published of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LeftOut:
    """A part of AWS that the lane has not; of some, ``least_ms`` or ``most_ms`` are published."""

    what: str
    least_ms: float | None = None
    most_ms: float | None = None
    source: str = ""


# Figures only where their source can be looked up. They are others' machines and functions.
LEFT_OUT = (
    LeftOut(
        'image and microVM of a cold start: Lambda\'s start-up times are "as low as 50 ms"',
        least_ms=50,
        source="Brooker et al., On-demand Container Loading in AWS Lambda, USENIX ATC, July 2023"
        " (arXiv:2305.13162)",
    ),
    LeftOut(
        "microVM of a cold start alone: booted in 125 ms at most, of a minimal kernel",
        most_ms=125,
        source="SPECIFICATION.md of github.com/firecracker-microvm/firecracker at 0aad46c",
    ),
    LeftOut("image of a cold start: blocks of this size and not cached; no figure was found"),
    LeftOut(
        "the VPC's network interface: made with the function, not at a start; no figure was found"
        " for what is left",
        source="AWS Compute Blog, Announcing improved VPC networking for AWS Lambda functions,"
        " September 2019",
    ),
    LeftOut(
        "distance to S3: of requests below 512 KB median latencies are often tens of milliseconds",
        source="AWS, Best Practices Design Patterns: Optimizing Amazon S3 Performance, Timeouts and"
        " Retries for Latency-Sensitive Applications, June 2019",
    ),
    LeftOut("distance to RDS, TLS on the way to it, and its own speed"),
    LeftOut("delay of S3's events, and of SQS"),
    LeftOut("API Gateway's own time, its rate (apiThrottleRate: 429) and its authorizer"),
    LeftOut("processors of their own: environments share this machine's, and are not frozen"),
    LeftOut("the memory limit: an environment that takes more than its size is not killed"),
    LeftOut("environments that AWS starts ahead, replaces or moves by itself; provisioned ones"),
)


def listed() -> str:
    """Return what is left out, a line each."""
    return "\n".join(f"  - {one.what}" + f" [{one.source}]" * bool(one.source) for one in LEFT_OUT)


def published_cold_start_ms() -> tuple[float, float]:
    """Return the least and the most that is published to be added to a cold start, in ms.

    Not their sum: both tell of the microVM. The most has no image in it: no such figure was found.
    """
    return (
        min(one.least_ms for one in LEFT_OUT if one.least_ms is not None),
        max(one.most_ms for one in LEFT_OUT if one.most_ms is not None),
    )
