"""From tiles to a trained net, and from a trained net to the artefact that is served."""
