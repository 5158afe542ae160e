"""Both lanes under the same load, in turns, on this machine: what the report is made of.

    skylane bench compare --out results/NEW

Each repetition starts each lane afresh, in an order that chance decides, so that what the machine
does meanwhile meets both. Nothing is summed up here: every run is kept (`bench.load.files`), with
what each invocation was billed and what each part took of the processors.
"""
