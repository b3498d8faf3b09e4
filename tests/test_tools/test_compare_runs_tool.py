"""``tools/compare_runs.py``, on runs that were trained."""

import json

import pytest
from mmengine.runner import Runner

from ..test_engine.test_train_loop import ENTRIES, PIPELINE, config
from .test_plot_tools import call, refusal


def train(work_dir, iters, seed, **changes):
    """Train on two views of ToyWorld, with a validation after each iteration."""
    changes = {
        'train_cfg': {'type': 'MultiDatasetTrainLoop', 'max_iters': iters, 'val_interval': 1},
        'val_dataloader': {
            'batch_size': 2, 'num_workers': 0,
            'sampler': {'type': 'DefaultSampler', 'shuffle': False},
            'dataset': {'type': 'MultiDataset', 'datasets': ENTRIES, 'split': 'val',
                        'test_mode': True, 'pipeline': [PIPELINE[0], PIPELINE[-1]]}},
        'val_cfg': {'type': 'ValLoop'}, 'val_evaluator': {'type': 'MultiDatasetIoUMetric'},
        'visualizer': {'type': 'MultiDatasetVisualizer', 'name': f'v{work_dir.name}{iters}',
                       'vis_backends': [{'type': 'LocalVisBackend'}]},
        'custom_hooks': [{'type': 'SegmentationReportHook', 'images_per_dataset': 1}], **changes}
    cfg = config(work_dir, iters, seed=seed, **changes)
    cfg.default_hooks.logger = {'type': 'LoggerHook', 'interval': 1, 'log_metric_by_epoch': False}
    cfg.default_hooks.checkpoint.interval = 1
    Runner.from_cfg(cfg).train()


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp('runs')
    for seed in (0, 1):
        train(folder / f'seed{seed}', 2, seed)
    return folder


def test_two_seeds_that_were_trained(trained, tmp_path, capsys):
    call('compare_runs', f'tiny={trained / "seed0"},{trained / "seed1"}', '--out', tmp_path,
         '--head', 0.1)
    text = capsys.readouterr().out
    assert '| variant | runs | iteration | city | asia | mean |' in text
    assert '| tiny | 2 | 2 |' in text
    assert 'Notes' not in text and f'written: {tmp_path / "compare.png"}' in text
    data = json.loads((tmp_path / 'compare.json').read_text())
    both = [json.loads((trained / f'seed{i}' / 'report' / 'scores.json').read_text())
            for i in (0, 1)]
    for dataset in ('city', 'asia'):
        of = data['datasets'][dataset]
        reports = [report[dataset] for report in both]
        assert of['curves']['tiny']['iterations'] == [1, 2]
        # What was logged last is what was reported.
        assert of['curves']['tiny']['mean'][-1] == pytest.approx(of['miou']['tiny']['mean'],
                                                                 abs=0.01)
        # The most frequent class, found another way.
        pixels, name = max(zip(reports[0]['labelled'], reports[0]['classes']))
        assert of['head'][0] == name
        assert of['share'][0] == pytest.approx(100 * pixels / sum(reports[0]['labelled']))
        index = reports[0]['classes'].index(name)
        assert of['iou']['tiny'][name]['runs'] == pytest.approx(
            [100 * report['iou'][index] for report in reports])
        absent = [c for c, n in zip(reports[0]['classes'], reports[0]['labelled']) if not n]
        assert absent and set(absent) == set(of['left_out'])
        assert all(c in text for c in absent)


def test_a_run_that_was_resumed(trained, tmp_path, capsys):
    """The log of each start is read."""
    train(tmp_path / 'run', 1, 0)
    first = json.loads((tmp_path / 'run' / 'report' / 'scores.json').read_text())
    for start in (tmp_path / 'run').glob('2*'):
        if start.is_dir():
            # Both starts may be within one second.
            start.rename(start.with_name('20000101_000000'))
    train(tmp_path / 'run', 2, 0, resume=True, load_from=str(tmp_path / 'run' / 'iter_1.pth'))
    assert len(list((tmp_path / 'run').glob('2*/vis_data/scalars.json'))) == 2
    call('compare_runs', f'resumed={tmp_path / "run"}', f'whole={trained / "seed0"}', '--out',
         tmp_path)
    city = json.loads((tmp_path / 'compare.json').read_text())['datasets']['city']
    assert city['curves']['resumed'] == city['curves']['whole']
    assert city['miou']['resumed'] == city['miou']['whole']
    counting = [100 * iou for iou, note in zip(first['city']['iou'], first['city']['notes'])
                if not note]
    assert city['curves']['resumed']['mean'][0] == pytest.approx(
        sum(counting) / len(counting), abs=0.01)
    assert 'Notes' not in capsys.readouterr().out


def test_chosen_datasets(trained, capsys):
    call('compare_runs', trained / 'seed0', '--dataset', 'asia')
    text = capsys.readouterr().out
    assert '| seed0 | 1 | 2 |' in text and 'city' not in text and 'written' not in text


@pytest.mark.parametrize(('arguments', 'words'), [
    (['no'], 'no does not exist'),
    (['--head', '0.6'], 'head=0.6: a share of the classes above 0 and at most 0.5'),
    (['--dataset', 'moon'], "'moon' is no dataset that all have; those are city, asia"),
])
def test_errors(trained, arguments, words, capsys):
    assert words in refusal(capsys, 'compare_runs', trained / 'seed0', *arguments)
