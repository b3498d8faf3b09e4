"""Files of multi-label predictions."""

from __future__ import annotations

import json
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import print_log

from ...files import path_of_sample, replacing, write_ids
from ...models import MultiDatasetSegmentor
from ...models.segmentors.multi_label import MultiLabelPrediction, resolve_threshold
from ...registry import HOOKS
from ...visualization.multi_label import draw_multi_label
from .images import image_of_sample

#: Folder of the files below the given ones; beside those of the datasets.
FOLDER = 'multi_label'


@HOOKS.register_module()
class MultiLabelHook(Hook):
    """Write the multi-label predictions of a test; ``tools/test.py --multi-label`` adds it.

    ``<output_dir>/multi_label/<dataset>/<name of the sample>.png`` holds ids of nodes, with 16 bits
    per pixel where there are more than 256, ``<output_dir>/multi_label/names.json`` their names.
    The model must give such predictions: ``test_cfg=dict(multi_label='auto')``.

    Args:
        output_dir: Folder for the maps.
        show_dir: Folder for pictures, ``<show_dir>/multi_label/<dataset>/<name>.png``. Default:
            none are drawn.

    Raises:
        ValueError: The model gives no multi-label predictions.

    Example:
        >>> model = dict(test_cfg=dict(multi_label='auto'))
        >>> custom_hooks = [dict(type='MultiLabelHook', output_dir='predictions')]
    """

    def __init__(self, output_dir: str, show_dir: str | None = None) -> None:
        self.output_dir = Path(output_dir) / FOLDER
        self.show_dir = None if show_dir is None else Path(show_dir) / FOLDER

    @master_only
    def before_test(self, runner) -> None:
        """Write the names."""
        model = _segmentor(runner)
        space, activation = model.label_space, model.decode_head.activation
        threshold = resolve_threshold((model.test_cfg or {}).get('multi_label'), activation)
        about = {'nodes': list(space.nodes), 'palette': [list(c) for c in space.palette],
                 'threshold': threshold, 'activation': activation,
                 'class_of_node': {d: space.class_of_node(d).tolist() for d in space.datasets},
                 'classes': {d: list(space.space(d).classes) for d in space.datasets}}
        with replacing(self.output_dir / 'names.json') as file:
            file.write_text(json.dumps(about, indent=1, ensure_ascii=False) + '\n',
                            encoding='utf-8')

    def after_test_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Write the maps and pictures of a batch."""
        model = _segmentor(runner)
        for position, sample in enumerate(outputs):
            result = MultiLabelPrediction.from_sample(model, sample)
            meta = sample.metainfo
            names = meta.get('dataset', 'images'), meta.get('sample_name')
            write_ids(path_of_sample(self.output_dir, *names), result.combined, len(result.nodes))
            if self.show_dir is not None:
                image = image_of_sample(data_batch, position, sample)
                draw_multi_label([(image, result)], path_of_sample(self.show_dir, *names))

    @master_only
    def after_test(self, runner) -> None:
        """Say where they are."""
        text = f'multi-label maps: {self.output_dir}'
        if self.show_dir is not None:
            text += f'; pictures: {self.show_dir}'
        print_log(text, logger='current')


def _segmentor(runner) -> MultiDatasetSegmentor:
    model = getattr(runner.model, 'module', runner.model)
    if not isinstance(model, MultiDatasetSegmentor):
        raise ValueError(f'MultiLabelHook needs a MultiDatasetSegmentor, the model is a '
                         f'{type(model).__name__}')
    return model
