import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from ..conftest import REALBENCH
from ..miniature import make_all


@pytest.mark.parametrize('name', ['multihead_r18_realbench', 'single_ycor8_r18_realbench'])
def test_configs_train_and_evaluate_on_miniatures(repo, tmp_path, monkeypatch, name):
    """Two iterations and an evaluation on a few images in the official layout."""
    root = make_all(tmp_path / 'data', images=2, names=REALBENCH)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(root))
    cfg = Config.fromfile(repo / 'configs' / 'realbench' / f'{name}.py')
    cfg.merge_from_dict({
        'work_dir': str(tmp_path / 'run'), 'log_level': 'ERROR', 'experiment_name': tmp_path.name,
        'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2, 'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False, 'val_dataloader.num_workers': 0,
        'train_dataloader.batch_size': 4, 'visualizer.name': tmp_path.name,
        'train_dataloader.sampler.crop_size': (64, 96)})
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert (tmp_path / 'run' / 'iter_2.pth').is_file()
    text = (tmp_path / 'run' / 'report' / 'report.txt').read_text()
    assert all(f'{entry.name}: 2 images' in text for entry in cfg.datasets)


@pytest.mark.parametrize('name', REALBENCH)
def test_class_lists_are_those_of_the_data(realbench, name):
    import json

    from mmseg_multids.datasets import label_spaces_from_cfg
    space, = label_spaces_from_cfg([Config.fromfile(
        f'configs/_base_/datasets/{name}.py')[name]])
    described = json.loads((realbench / name / 'classes.json').read_text())
    assert list(space.classes) == described['classes']
    assert [list(c) for c in space.palette] == described['palette']


def test_real_images_load_with_their_labels(realbench, repo, monkeypatch):
    from mmseg_multids.datasets import MultiDataset
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(realbench))
    cfg = Config.fromfile(repo / 'configs' / 'realbench' / 'multihead_r18_realbench.py')
    dataset = MultiDataset(cfg.datasets, split='val', pipeline=cfg.val_pipeline, test_mode=True)
    assert dataset.sizes == {'camvid11': 101, 'ycor8': 60, 'labelmefacade8': 94,
                             'mumbai_aerial6': 64}
    for index in (0, 130, 200, 318):
        sample = dataset[index]
        assert sample['inputs'].shape[1:] == sample['data_samples'].gt_sem_seg.data.shape[1:]
        assert len(np.unique(sample['data_samples'].gt_sem_seg.data)) > 1
