"""From what a comparison kept to something to look at: JSON, HTML, pictures, a verdict.

    skylane bench report results/NEW

Its parts: found → load, starts, money, scale → verdict → plots, page.
"""
