"""The model, lane-free: what serving needs lies here, the rest in folders of its own.

Knows no queue and no database.
"""
