"""Soft labels: the largest scores of a teacher in each pixel."""

from __future__ import annotations

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs

from ...registry import TRANSFORMS

_ID, _SCORE = 'gt_soft_id_{}', 'gt_soft_score_{}'


@TRANSFORMS.register_module()
class LoadSoftLabel(BaseTransform):
    """Load the soft labels of an image, where it has some, after its label map.

    Each of the K ids and scores of a pixel becomes a map of its own among ``seg_fields``, so that
    whatever scales (by the nearest pixel), crops, mirrors or pads label maps moves them along.

    Required keys: ``gt_seg_map``. Used: ``soft_path``. Added: ``num_soft`` (K), ``gt_soft_id_0``
    and so on, and ``gt_soft_score_0`` and so on, in 255ths.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is no soft label, or of another size than the label map; labels are loaded
            in other ids than they have in the file.

    Example:
        >>> pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadLabelMap'),
        ...             dict(type='LoadSoftLabel'), dict(type='PlannedCrop', crop_size=(512, 512)),
        ...             dict(type='PackSoftSegInputs')]
    """

    def transform(self, results: dict) -> dict:
        """Load and check."""
        path = results.get('soft_path')
        if path is None or results.get('seg_map_path') is None:
            return results
        if results.get('label_map') or results.get('reduce_zero_label'):
            raise ValueError(f'soft labels {path} are in the ids of the file; label_map, remap and '
                             'reduce_zero_label cannot go with them')
        try:
            with np.load(path, allow_pickle=False) as stored:
                ids, scores = stored['ids'], stored['scores']
        except FileNotFoundError:
            raise FileNotFoundError(f'soft labels {path} do not exist; make them with '
                                    'tools/pseudo_label.py --soft K') from None
        except Exception as error:  # a broken archive may raise anything
            raise ValueError(f'{path} holds no soft labels: {type(error).__name__}: {error}'
                             ) from error
        if 'gt_seg_map' not in results:
            raise ValueError('LoadSoftLabel must stand behind the loading of label maps')
        shape = results['gt_seg_map'].shape
        if ids.shape != scores.shape or ids.shape[1:] != shape:
            raise ValueError(f'soft labels {path} have shape {ids.shape}, the label map '
                             f'{shape}; load them before anything that changes the size')
        results['num_soft'] = len(ids)
        for k in range(len(ids)):
            results[_ID.format(k)], results[_SCORE.format(k)] = ids[k], scores[k]
            results.setdefault('seg_fields', []).extend([_ID.format(k), _SCORE.format(k)])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@TRANSFORMS.register_module()
class PackSoftSegInputs(PackSegInputs):
    """Pack as ``PackSegInputs`` does, with soft labels where there are some.

    The data sample then also has ``gt_soft_ids`` [K, H, W], int64, and ``gt_soft_scores``
    [K, H, W], float32, of sum 1 over K; where the label map ignores a pixel, as where it is padded,
    both are 0. Samples without soft labels have neither.

    Args:
        ignore_index: Id of pixels without a label.
        **kwargs: As in ``PackSegInputs``.

    Example:
        >>> dict(type='PackSoftSegInputs')
    """

    def __init__(self, ignore_index: int = 255, **kwargs) -> None:
        super().__init__(**kwargs)
        self.ignore_index = ignore_index

    def transform(self, results: dict) -> dict:
        """Pack."""
        packed = super().transform(results)
        count = results.get('num_soft', 0)
        if count:
            ids = np.stack([results[_ID.format(k)] for k in range(count)]).astype(np.int64)
            scores = np.stack([results[_SCORE.format(k)] for k in range(count)])
            scores = scores.astype(np.float32)  # [K, H, W]
            # Padding fills all maps with the same number; the label map tells where.
            ignored = results['gt_seg_map'] == self.ignore_index
            ids[:, ignored], scores[:, ignored] = 0, 0
            scores /= np.maximum(scores.sum(axis=0), 1)  # whole numbers: a sum below 1 is 0
            packed['data_samples'].set_data({
                'gt_soft_ids': PixelData(data=torch.from_numpy(ids)),
                'gt_soft_scores': PixelData(data=torch.from_numpy(scores))})
        return packed


def check_soft(data: dict, dataset: str) -> None:
    """Refuse a packed sample that has lost its soft labels: a model would train on hard ones.

    Raises:
        ValueError: What the pipeline needs.
    """
    samples = data.get('data_samples')
    for sample in samples if isinstance(samples, (list, tuple)) else [samples]:
        if sample is not None and 'gt_soft_ids' not in sample:
            raise ValueError(f'dataset {dataset} has soft=True, but its pipeline gives no soft '
                             'labels: put LoadSoftLabel behind the loading of label maps and '
                             'PackSoftSegInputs in the place of PackSegInputs, or take soft=True '
                             'out')
