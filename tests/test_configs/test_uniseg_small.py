"""The small configs of UniSeg train, test on unseen datasets, and run both stages."""

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmseg_multids.label_spaces import ClassRelations

from ..miniature import make_all

SMALL = {'log_level': 'ERROR', 'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2,
         'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False,
         'val_dataloader.num_workers': 0, 'test_dataloader.num_workers': 0,
         'train_dataloader.batch_size': 4, 'default_hooks.checkpoint.interval': 1000,
         'model.decode_head.head.channels': 8, 'custom_hooks': []}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return make_all(tmp_path_factory.mktemp('data'), images=4)


@pytest.fixture
def runner(repo, tmp_path, monkeypatch, data):
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(data))

    def build(name, **changes):
        cfg = Config.fromfile(repo / 'configs' / 'uniseg' / f'{name}.py')
        hooks = cfg.custom_hooks[:-1]  # but for the report
        cfg.merge_from_dict({**SMALL, 'work_dir': str(tmp_path), 'visualizer.name': name,
                             'experiment_name': f'{tmp_path.name}_{name}', **changes})
        cfg.custom_hooks = hooks
        for entry in (*cfg.train_dataloader.dataset.datasets, *cfg.val_dataloader.dataset.datasets,
                      *cfg.test_dataloader.dataset.datasets):
            if entry['type'] == 'ToyWorldDataset':
                entry['image_size'] = (32, 32)
                for split in entry['splits'].values():
                    split['size'] = 2
        if 'toyworld' not in name:
            cfg.train_dataloader.sampler.crop_size = (32, 32)
        torch.manual_seed(0)
        return Runner.from_cfg(cfg)
    return build


@pytest.mark.parametrize('method', ['ce', 'null', 'multihead'])
@pytest.mark.parametrize('mix', ['toyworld4', 'realbench4'])
def test_methods_train_and_evaluate(runner, mix, method):
    run = runner(f'uniseg_{mix}_{method}')
    run.train()
    assert list(run.val_loop.evaluator.metrics[0].scores) == list(run.model.label_space.datasets)
    if mix == 'toyworld4' and method in ('null', 'multihead'):
        metrics = run.test()
        assert list(run.model.unseen) == ['village', 'wild'] and 'wild/mIoU' in metrics
        # The front of a sign is found by its alias, too.
        notes = run.test_loop.evaluator.metrics[0].scores['village'].notes
        assert 'not predicted' not in notes


@pytest.mark.parametrize('mix', ['toyworld4', 'realbench4'])
def test_all_of_the_method_in_one_run(runner, tmp_path, mix):
    run = runner(f'uniseg_{mix}_classrel', **{'train_cfg.max_iters': 3, 'custom_hooks': None})
    hook = next(h for h in run.hooks if type(h).__name__ == 'ClassRelationsHook')
    hook.begin, hook.max_images, hook.tau = 2, 2, -1.0
    run.train()
    found = ClassRelations.from_json(tmp_path / 'class_relations' / 'relations.json')
    assert found.relations()


def test_relations_from_a_file(runner, tmp_path):
    run = runner('uniseg_toyworld4_null')
    space = run.model.label_space
    scores = {d: torch.rand(space.space(d).num_classes, space.num_nodes).numpy()
              for d in space.datasets}
    counts = {d: [1] * space.space(d).num_classes for d in space.datasets}
    relations = ClassRelations(space, scores, counts, tau=0.5)
    relations.to_json(tmp_path / 'r.json')
    second = runner('uniseg_toyworld4_classrel_from_file', **{
        'model.decode_head.loss_decode.relations': str(tmp_path / 'r.json'),
        'visualizer.name': 'second', 'experiment_name': f'{tmp_path.name}_second'})
    second.train()
    table = second.model.decode_head.loss_decode[0].table_atlas
    assert table.tolist() == relations.table('atlas').tolist()
