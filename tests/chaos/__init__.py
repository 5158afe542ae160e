"""Experiments: real processes are killed, cut off and starved while a good client uploads images.

Each experiment is a function that injects one fault at a moment that a seed chooses. `./test` runs
a small burst of each; `./test-chaos` runs many seeds, and writes the table of docs/reliability.md.
"""
