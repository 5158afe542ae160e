"""Both lanes as a discrete-event simulation, fed with what was measured of their pieces."""
