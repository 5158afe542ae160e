"""Round figures that the tests of the bills share."""

from __future__ import annotations

from bench.cost.assumptions import Assumptions
from bench.cost.bill import Bill
from bench.cost.measured import Measured
from bench.cost.months import all_prices

MEASURED = Measured(
    machine="none: round figures",
    infer_memory_mb=2048,
    infer_ms=[99.2, 100.0],  # 100 ms each, as it is billed
    infer_images=[10, 10],
    api_memory_mb=1024,
    api_ms=[20.0],
    api_images=[1],
    api_read_ms=[5.0],
    sweep_ms=[100.0],
    image_bytes=[2.0**20],
    answer_bytes=[2.0**10],
    log_bytes=[2.0**10],
    on_prem_images_per_s=[100.0],
    on_prem_vcpus=2,
    database_cpu_ms=[1.0],
)
# Kept for 30 days, a large image is cheaper on S3 than on a disk, and that decides everything else.
SMALL = MEASURED.model_copy(update={"image_bytes": [3000.0]})
ASSUMED = Assumptions(database_class="db.t4g.micro", database_multi_az=False)
PRICES = all_prices()
MONTH_S = 730 * 3600
LOADS = [0.01, 0.1, 0.5, 1.0, 7.0, 60.0, 61.0, 300.0, 1000.0, 5000.0]


def usd(bill: Bill, item: str) -> float:
    [line] = [line for line in bill.lines if line.item == item]
    return line.usd_per_million
