"""`python -m cli` is `skylane`, installed or not."""

from __future__ import annotations

from cli import main

if __name__ == "__main__":
    main()
