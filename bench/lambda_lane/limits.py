"""What AWS, or our own deployment, limits: each number with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
GATEWAY_PAYLOAD_BYTES = 10 * 1024 * 1024
GATEWAY_HEADERS_BYTES = 10_240  # request line and headers together
GATEWAY_TIMEOUT_S = 30.0
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: a synchronous
# invocation's event, and its answer.
LAMBDA_PAYLOAD_BYTES = 6 * 1024 * 1024
# Batches of one standard queue's mapping that are in work at once:
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html. From memory, that page has
# 1,250 by now; but maximumConcurrency, which is set here, ends at 1,000:
# https://docs.aws.amazon.com/lambda/latest/dg/API_ScalingConfig.html
MAPPING_BATCHES = 1000


@dataclass(frozen=True)
class LaneLimits:
    """How the lane is set. The defaults are those of infra/serverless.yml's dev, or AWS's own.

    The model, its backend and all else is set as ever, by environment variables (SKYLANE_…,
    OTEL_…), which the functions are given.

    Raises:
        ValueError: AWS would refuse it.
    """

    # infra/serverless.yml; 1,769 MB are one vCPU's worth of time:
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
    api_memory_mb: int = 1769
    infer_memory_mb: int = 3008  # the sweep's as well
    # infra/functions.image.yml, infra/serverless.yml
    api_timeout_s: float = 29.0
    infer_timeout_s: float = 30.0
    sweep_timeout_s: float = 300.0
    sweep_every_s: float = 60.0  # rate(1 minute)
    # Environments that work at once, at most. None: what the account has left.
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
    api_reserved_concurrency: int | None = None
    infer_reserved_concurrency: int | None = None
    # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    account_concurrency: int = 1000
    # An environment without work for so long is ended. AWS states no number ("a non-deterministic
    # period of time"). Ten minutes were measured in 2019, and other values before and after:
    # https://mikhail.io/2019/08/aws-lambda-cold-starts-after-10-minutes/
    keep_alive_s: float = 600.0
    # Environments that a function may be given anew, refilled continuously up to as many:
    # https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html
    scaling_environments: int = 1000
    scaling_every_s: float = 10.0
    # Messages of one invocation, at most, and how long to wait for them (infra/serverless.yml).
    batch_size: int = 10
    batch_window_s: float = 0.0
    # infra/serverless.yml and infra/resources/images.yml
    visibility_timeout_s: float = 180.0
    max_receive_count: int = 5
    # Batches that are read at once: at first, how many more each minute while messages wait, and at
    # most. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    pollers_at_first: int = 5
    pollers_more_per_minute: float = 300.0
    infer_max_concurrency: int = 20  # maximumConcurrency; infra/serverless.yml's inferConcurrency

    def __post_init__(self) -> None:
        # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        if self.visibility_timeout_s < self.infer_timeout_s:
            raise ValueError("a queue's visibility timeout is at least its function's timeout")
        # https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
        if self.batch_size > 10 and self.batch_window_s < 1:
            raise ValueError("a batch of over 10 messages needs a window of a second or more")
        for name in ("api_reserved_concurrency", "infer_reserved_concurrency"):
            if (reserved := getattr(self, name)) is not None and reserved < 1:
                raise ValueError(f"{name} is {reserved}: nothing would ever run")
        if self.infer_max_concurrency < 1 or self.batch_size < 1:
            raise ValueError("infer_max_concurrency and batch_size are at least 1")

    def concurrency(self, function: str) -> int:
        """Return how many environments of a function may work at once.

        What is reserved for one is taken from what the others may have. That they share the rest is
        not reckoned with: this machine ends long before.
        """
        reserved = {
            "api": self.api_reserved_concurrency,
            "infer": self.infer_reserved_concurrency,
        }
        own = reserved.get(function)
        return own or self.account_concurrency - sum(one or 0 for one in reserved.values())
