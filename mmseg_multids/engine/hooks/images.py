"""Getting a sample's image back out of a batch."""

from __future__ import annotations

import cv2
import numpy as np


def image_of_sample(data_batch: dict, position: int, data_sample) -> np.ndarray:
    """Return the image that a pipeline has packed, at its original size and orientation.

    Images are not read again from their path: some have none, and the path may be a name only.

    Args:
        data_batch: Batch of the loader, before the data preprocessor.
        position: Position of the sample in it.
        data_sample: The sample's metainfo.

    Returns:
        RGB image. Shape [H, W, 3], uint8.
    """
    inputs = data_batch['inputs'][position]
    if isinstance(inputs, (list, tuple)):  # test-time augmentation: versions of one image
        inputs = inputs[0]
    image = inputs.cpu().numpy().transpose(1, 2, 0)[..., ::-1]
    direction = data_sample.metainfo.get('flip_direction') if data_sample.metainfo.get('flip') \
        else None
    if direction in ('horizontal', 'diagonal'):
        image = image[:, ::-1]
    if direction in ('vertical', 'diagonal'):
        image = image[::-1]
    image = np.ascontiguousarray(image).astype(np.uint8)
    height, width = data_sample.metainfo.get('ori_shape', image.shape)[:2]
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return image


def label_space_meta(model) -> dict:
    """Return classes and palette of the model's nodes, under the name ``'unified'``."""
    model = getattr(model, 'module', model)  # distributed wrapper, test-time augmentation
    model = getattr(model, 'module', model)
    label_space = getattr(model, 'label_space', None)
    if label_space is None:
        return {}
    spaces = {name: {'classes': list(space.classes), 'palette': [list(c) for c in space.palette]}
              for name, space in label_space.spaces.items()}
    return {**spaces, 'unified': {'classes': list(label_space.nodes),
                                  'palette': [list(c) for c in label_space.palette]}}
