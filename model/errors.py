"""What goes wrong with models and data for reasons that their user can mend."""

from __future__ import annotations


class ModelError(Exception):
    """The message says what is wrong, and what would be right."""


class ArtefactError(ModelError):
    """The file is not an artefact, or not the one that was exported."""


class CheckpointError(ModelError):
    """The file is not a checkpoint, or not one of this architecture and these labels."""


class DataError(ModelError):
    """What was given is no data set, or not one of these classes."""


class ConfigError(ModelError):
    """A name or value that a recipe cannot have."""


class TrainingError(ModelError):
    """A run cannot start, or cannot go on from its checkpoint."""


class AstrayError(TrainingError):
    """A run has no loss any more that could be gone down."""


class PlaceError(ModelError):
    """A file or folder cannot be written."""


class PredictionError(ModelError):
    """A model answers with what are no probabilities."""


class ParityError(ModelError):
    """The INT8 model is worse than it may be; nothing was written."""
