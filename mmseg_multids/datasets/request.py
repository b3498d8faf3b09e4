"""What a sampler asks a dataset for."""

from __future__ import annotations

from typing import NamedTuple, Optional


class SampleRequest(NamedTuple):
    """One sample, with everything that varies from sample to sample decided.

    Attributes:
        dataset: Name of the dataset.
        index: Position of the image in it.
        seed: Seed of every random decision of the pipeline, in [0, 2**63).
        crop_size: Height and width of the crop in pixels, for :class:`PlannedCrop`.
        centre: Row and column in the original image that the crop is centred on.
    """

    dataset: str
    index: int
    seed: int
    crop_size: Optional[tuple] = None  # noqa: UP007, UP045 (evaluated on Python 3.9)
    centre: Optional[tuple] = None  # noqa: UP007, UP045
