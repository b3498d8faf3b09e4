"""Test-time augmentation for samples of several datasets."""

from __future__ import annotations

from mmengine.structures import PixelData
from mmseg.models.segmentors.seg_tta import SegTTAModel
from mmseg.structures import SegDataSample

from ...registry import MODELS


@MODELS.register_module()
class MultiDatasetTTAModel(SegTTAModel):
    """Average the scores of a sample's augmented versions.

    MMSegmentation's model takes a softmax whatever the loss was, and drops which dataset a sample
    belongs to. This one asks the head for its scores and keeps the sample's metainfo.

    Example:
        >>> tta_model = dict(type='MultiDatasetTTAModel')
    """

    def merge_preds(self, data_samples_list: list) -> list:
        """Merge the predictions of each sample's augmented versions.

        Args:
            data_samples_list: For each sample its versions, whose ``seg_logits`` [K, H, W] are all
                of the original image's size.

        Returns:
            One data sample each, with ``seg_logits`` holding the averaged scores.
        """
        merged = []
        for versions in data_samples_list:
            scores = sum(self.module.decode_head.scores(v.seg_logits.data) for v in versions)
            scores = scores / len(versions)
            result = SegDataSample(metainfo={
                key: value for key, value in versions[0].metainfo.items()
                if key not in ('flip', 'flip_direction')})
            result.set_data({'seg_logits': PixelData(data=scores),
                             'pred_sem_seg': PixelData(data=scores.argmax(dim=0, keepdim=True))})
            if 'gt_sem_seg' in versions[0]:
                result.set_data({'gt_sem_seg': versions[0].gt_sem_seg})
            merged.append(result)
        return merged
