"""What is done with a learned label space: export, search of a mapping, cross tables."""

import html
import json
import logging
import re
import runpy
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmseg_multids.apis.cross_eval import (
    cross_evaluate,
    format_cross_table,
    images_to_test,
    searched_mapping,
)
from mmseg_multids.apis.cross_heads import gather_confusions
from mmseg_multids.apis.export_learned import export_learned
from mmseg_multids.apis.label_usage import gather_usage
from mmseg_multids.apis.trained import load_trained
from mmseg_multids.apis.whole_images import training_images
from mmseg_multids.label_spaces import NodeMapping, UnifiedLabelSpace
from mmseg_multids.visualization.label_report import write_label_report

from ..conftest import ROOT
from ..test_engine.test_train_loop import ENTRIES
from ..test_engine.test_training_phases import PHASES, learning
from ..test_engine.test_unseen_datasets_hook import PIPELINE, VILLAGE


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """A config and a checkpoint of a finished run."""
    folder = tmp_path_factory.mktemp('learned')
    cfg = learning(folder, PHASES)
    village = {**VILLAGE, 'splits': {**VILLAGE['splits'], 'train': {'split': 'train', 'size': 3}}}
    cfg.test_dataloader = dict(
        batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(type='MultiDataset', datasets=[*ENTRIES, village], split='val',
                     pipeline=PIPELINE, test_mode=True))
    cfg.test_evaluator = {'type': 'MultiDatasetIoUMetric'}
    cfg.test_cfg = {'type': 'TestLoop'}
    cfg.test_pipeline = [{'type': 'LoadImageFromFile'}, {'type': 'PackSegInputs'}]
    cfg.default_hooks.unseen = {'type': 'UnseenDatasetsHook'}
    Runner.from_cfg(cfg).train()
    cfg.dump(folder / 'config.py')
    return folder


def test_a_learned_space_is_exported_as_a_fixed_one(run, tmp_path):
    names = {}
    ours = load_trained(run / 'iter_11.pth', run / 'config.py').model
    names[ours.label_space.nodes[0]] = 'the first node'
    (tmp_path / 'names.json').write_text(json.dumps(names))
    done = export_learned(run / 'iter_11.pth', tmp_path / 'out', run / 'config.py',
                          tmp_path / 'names.json')
    assert done.difference < 1e-3
    space = UnifiedLabelSpace.from_json(done.label_space)
    assert space.nodes[0] == 'the first node'
    assert all((space.class_of_node(d) == ours.label_space.class_of_node(d)).all()
               for d in space.datasets)
    fixed = load_trained(done.checkpoint, done.config).model
    assert not any('graph' in key for key in fixed.state_dict())
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        for model in (ours, fixed):
            model.logits = model.predict(image)[0].seg_logits.data
    torch.testing.assert_close(ours.logits, fixed.logits, rtol=1e-3, atol=1e-3)
    # Training goes on from it.
    cfg = Config.fromfile(done.config)
    cfg.merge_from_dict({'work_dir': str(tmp_path / 'on'), 'load_from': str(done.checkpoint),
                         'train_cfg.max_iters': 1, 'experiment_name': 'on'})
    Runner.from_cfg(cfg).train()


def test_what_cannot_be_exported(run, tmp_path):
    with pytest.raises(ValueError, match="in the phase 'graph', which has no fixed links"):
        export_learned(run / 'iter_3.pth', tmp_path, run / 'config.py')
    (tmp_path / 'names.json').write_text('{"moon": "x"}')
    with pytest.raises(ValueError, match="names has 'moon', which is no node"):
        export_learned(run / 'iter_11.pth', tmp_path, run / 'config.py', tmp_path / 'names.json')
    assert not (tmp_path / 'model.pth').exists()


def test_a_searched_mapping_is_used_for_the_unseen_dataset(run, tmp_path):
    trained = load_trained(run / 'iter_11.pth', run / 'config.py')
    mapping = searched_mapping(trained.model, images_to_test(trained.cfg, 'train'), 'village')
    mapping.to_json(tmp_path / 'village.json')
    # What decided is beside the classes, and is the IoU that a test on these images would have.
    known = {name: iou for name, iou in mapping.iou_of_class.items() if iou is not None}
    row, = cross_evaluate(trained.model, images_to_test(trained.cfg, 'train'),
                          images_to_test(trained.cfg, 'train', 'village'), ['unified'])
    assert np.mean(list(known.values())) == pytest.approx(row.miou['village'], abs=1e-4)
    for node, name in mapping.class_of_node.items():
        if name is not None:
            assert mapping.iou_without_node[node] < mapping.iou_of_class[name] + 1e-4
    cfg = Config.fromfile(run / 'config.py')
    cfg.load_from = str(run / 'iter_11.pth')
    cfg.work_dir, cfg.experiment_name = str(tmp_path), 'searched'
    cfg.model.test_cfg.unseen = {'mappings': {'village': str(tmp_path / 'village.json')}}
    runner = Runner.from_cfg(cfg)
    runner.test()
    space = runner.model.label_space
    expected = mapping.of(space, runner.model.unseen['village'])
    assert (runner.model.class_of_node('village') == expected).all()
    # The prediction is the class of the winning node, among nodes that have one.
    head, embedding = runner.model.decode_head, torch.rand(1, 8, 4, 4)
    with torch.no_grad():
        of_nodes = head.classify(embedding, None)
        of_nodes[:, expected < 0] = -1e4
        found = head.classify(embedding, 'village').argmax(1)
    assert torch.equal(found, torch.from_numpy(expected)[of_nodes.argmax(1)])


def test_an_edited_mapping_is_checked(tmp_path):
    path = tmp_path / 'm.json'
    path.write_text('{"dataset": "village", "class_of_node": {"road": 3}}')
    with pytest.raises(ValueError, match='class_of_node must be an object of class names'):
        NodeMapping.from_json(path)
    with pytest.raises(FileNotFoundError, match=r'tools/search_mapping\.py makes one'):
        NodeMapping.from_json(tmp_path / 'none.json')


def test_every_head_and_all_nodes_on_every_dataset(run):
    trained = load_trained(run / 'iter_11.pth', run / 'config.py')
    rows = cross_evaluate(trained.model, images_to_test(trained.cfg, 'train'),
                          images_to_test(trained.cfg, 'val'))
    assert [row.label for row in rows] == ['city', 'asia', 'unified']
    table = format_cross_table(rows)
    assert table.splitlines()[0] == '| label space | city | asia | village | mean |'
    assert all(0 <= v <= 1 for row in rows for v in row.miou.values())
    # A dataset's own head is the figure of an ordinary test.
    cfg = Config.fromfile(run / 'config.py')
    cfg.load_from, cfg.experiment_name = str(run / 'iter_11.pth'), 'own'
    metrics = Runner.from_cfg(cfg).test()
    for row in rows[:2]:
        assert metrics[f'{row.label}/mIoU'] == pytest.approx(100 * row.miou[row.label], abs=0.01)
    by_name = cross_evaluate(trained.model, images_to_test(trained.cfg, 'train'),
                             images_to_test(trained.cfg, 'val'), ['asia'], 'name')
    assert by_name[0].miou['asia'] == rows[1].miou['asia']
    assert np.all(by_name[0].mappings['city'] < 19)


def test_searching_on_tested_images_is_warned_of(run, monkeypatch):
    said = []
    monkeypatch.setattr('mmseg_multids.apis.shared_images.print_log',
                        lambda text, logger=None, level=logging.INFO: said.append(text))
    trained = load_trained(run / 'iter_11.pth', run / 'config.py')
    train, val = (images_to_test(trained.cfg, split) for split in ('train', 'val'))
    cross_evaluate(trained.model, train, val)
    cross_evaluate(trained.model, val, val, ['asia'], 'name')
    assert said == []
    # Nothing is searched for the datasets that the nodes know.
    cross_evaluate(trained.model, val, val, ['unified'])
    assert [text.split(':')[0] for text in said] == ['village']
    said.clear()
    cross_evaluate(trained.model, val, val, ['asia'])
    assert [text.split(':')[0] for text in said] == ['city', 'village']


def test_the_report_is_one_page_that_shows_every_node(run, tmp_path):
    trained = load_trained(run / 'iter_11.pth', run / 'config.py')
    space = trained.model.label_space
    usage = gather_usage(trained.model, training_images(trained.cfg), max_images=3, size=16)
    for dataset in space.datasets:
        assert usage.pixels[dataset].sum() == 3 * 32 * 32
        assert usage.labelled[dataset].sum() <= 3 * 32 * 32
        # The same counts by another way: which labels meet which nodes.
        confusion = gather_confusions(trained.model, training_images(trained.cfg), ('unified',), 3,
                                      (dataset,))[dataset]['unified']
        assert (confusion.sum(1) == usage.labelled[dataset]).all()
        classes = space.class_of_node(dataset)
        hits = np.where(classes >= 0, confusion[classes, np.arange(space.num_nodes)], 0)
        assert usage.hits[dataset] == pytest.approx(hits, abs=2) and hits.any()
    for node in range(space.num_nodes):
        used = {d for d in space.datasets if usage.pixels[d][node]}
        assert {e.dataset for e in usage.examples[node]} == used
        assert all(e.crop.shape == (16, 16, 3) and e.mask.any() for e in usage.examples[node])
    before = UnifiedLabelSpace.from_json(run / 'label_spaces' / '5_final.json')
    write_label_report(tmp_path / 'page.html', space, usage, before, 'A <title>')
    page = (tmp_path / 'page.html').read_text()
    assert 'A &lt;title&gt;' in page and '<svg' in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)  # nothing from outside
    ids = re.findall(r'id="([^"]*)"', page)
    linked = re.findall(r'href="#([^"]*)"', page)
    assert sorted(ids) == sorted(set(ids)) == sorted(linked)
    assert {f'classes-of-{d}' for d in space.datasets} < set(linked) and 'pruned' in linked
    # Every node of every class says how much of the class's labelled pixels it wins, twice.
    for dataset in space.datasets:
        node = int(usage.hits[dataset].argmax())
        hits = int(usage.hits[dataset][node])
        labelled = int(usage.labelled[dataset][space.class_of_node(dataset)[node]])
        assert page.count(f'title="wins {hits:,} of {labelled:,} labelled pixels">'
                          f'{100 * hits / labelled:.1f} %, ') >= 2
    links = sum(int((space.class_of_node(d) >= 0).sum()) for d in space.datasets)
    assert page.count('<path ') == links
    for name in space.nodes:
        assert html.escape(name) in page
    # Without a model, for a space that was edited.
    write_label_report(tmp_path / 'plain.html', space)
    plain = (tmp_path / 'plain.html').read_text()
    assert '<img' not in plain and 'labelled pixels' not in plain and '#pruned' not in plain


def tool(name, *arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [name, *map(str, arguments)])
        runpy.run_path(str(ROOT / 'tools' / f'{name}.py'), run_name='__main__')


def test_the_tools(run, tmp_path, capsys):
    config, checkpoint = run / 'config.py', run / 'iter_11.pth'
    tool('search_mapping', config, checkpoint, '--dataset', 'village', '--out',
         tmp_path / 'village.json')
    assert NodeMapping.from_json(tmp_path / 'village.json').dataset == 'village'
    assert 'mean IoU on the images of the search: ' in capsys.readouterr().out
    tool('cross_eval', f'{config},{checkpoint}', f'{config},{checkpoint}', '--out',
         tmp_path / 'cross.json', '--search-images', 2)
    assert len(json.loads((tmp_path / 'cross.json').read_text())) == 6
    assert '| config: unified |' in capsys.readouterr().out
    tool('label_report', config, checkpoint, '--out', tmp_path / 'page.html', '--max-images', 2,
         '--title', 'Seen')
    assert '<h1>Seen</h1>' in (tmp_path / 'page.html').read_text()
    tool('export', checkpoint, '--dataset', 'all', '--config', config, '--out', tmp_path / 'fixed')
    assert (tmp_path / 'fixed' / 'label_space.json').is_file()
    for name, arguments, words in (
            ('search_mapping', [config, checkpoint, '--dataset', 'moon'], "not 'moon'"),
            ('cross_eval', [config], 'expected CONFIG,CHECKPOINT'),
            ('label_report', [config, run / 'none.pth'], 'does not exist'),
            ('export', [checkpoint, '--dataset', 'city', '--config', config], '--dataset all')):
        with pytest.raises(SystemExit, match=words):
            tool(name, *arguments)
