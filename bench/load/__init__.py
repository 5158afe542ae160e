"""Load by schedule: when images are sent, what became of each, and how long it took.

    scenario → arrivals → sender → verification → summary → files

The loop is open: requests go when they are due, however slow the answers are, and every latency
counts from that moment. A closed loop would send less where the service is slow, and would measure
just the requests that did not have to wait ("coordinated omission": Tene, *How NOT to Measure
Latency*, 2013; Schroeder et al., *Open Versus Closed: A Cautionary Tale*, NSDI 2006).
"""
