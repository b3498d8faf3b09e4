"""Losses of UniSeg inside a segmentor."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmseg_multids.label_spaces import ClassRelations
from mmseg_multids.models import (
    ClassRelationalBCELoss,
    CosineNodeClassifier,
    NullBCELoss,
    PixelCrossEntropyLoss,
)

from .toy import DATASETS, FCN, batch, build

BY_NAME = {'type': 'by_name'}  # road, sky, car, tree, person


def segmentor(loss: dict, classifier: dict | None = None, space: dict = BY_NAME, **changes):
    head = {'type': 'UniSegHead', 'head': FCN, 'loss_decode': loss}
    if classifier:
        head['classifier'] = classifier
    model = build(decode_head=head, label_space=space, **changes)
    torch.nn.init.normal_(model.decode_head.classifier.weight, std=1)
    return model


def losses_of(model, names):
    return model(**model.data_preprocessor(batch(names), True), mode='loss')


def relations_of(model, **scores) -> ClassRelations:
    """Relations by names: ``two={('person', 'car'): 0.9}``."""
    space = model.label_space
    matrices, counts = {}, {}
    for dataset in space.datasets:
        classes = space.space(dataset).classes
        matrices[dataset] = np.zeros((len(classes), space.num_nodes))
        matrices[dataset][range(len(classes)), space.node_of_class(dataset)] = 0.5
        for (c, node), score in scores.get(dataset, {}).items():
            matrices[dataset][classes.index(c), space.nodes.index(node)] = score
        counts[dataset] = [1] * len(classes)
    return ClassRelations(space, matrices, counts, tau=0.6)


def test_null_bce_trains_the_datasets_own_rows_only():
    model = segmentor({'type': 'NullBCELoss'})
    losses = losses_of(model, ['two', 'two'])
    assert list(losses) == ['decode.two.loss_bce', 'decode.two.acc_seg']
    model.parse_losses(losses)[0].backward()
    grad = model.decode_head.classifier.weight.grad.flatten(1).abs().sum(dim=1)
    own = model.label_space.class_of_node('two') >= 0
    assert (grad > 0).tolist() == own.tolist() and not own.all()
    assert model.decode_head.dataset_rows(['two'])['classifier.weight'].tolist() == own.tolist()
    scores = model.decode_head.scores(torch.tensor([[0.0], [2.0]]))
    assert scores[0] == 0.5  # sigmoid, so test-time augmentation averages the right thing


def test_relations_add_supervision_and_nothing_else():
    model = segmentor({'type': 'ClassRelationalBCELoss'})
    null = segmentor({'type': 'NullBCELoss'})
    null.load_state_dict(model.state_dict(), strict=False)
    data = batch(['two', 'two'])
    loss, = model.decode_head.loss_decode

    def value(net):
        prepared = net.data_preprocessor(copy.deepcopy(data), True)
        return net(**prepared, mode='loss')['decode.two.loss_bce']

    assert torch.equal(value(model), value(null))  # none yet
    loss.set_relations(relations_of(model, two={('person', 'car'): 0.9, ('tree', 'road'): 0.95}))
    rows = loss.rows('two')
    assert [model.label_space.nodes[i] for i in rows] == ['sky', 'tree', 'road', 'person', 'car']
    prepared = model.data_preprocessor(copy.deepcopy(data), True)
    found = model(**prepared, mode='loss')
    model.parse_losses(found)[0].backward()
    grad = model.decode_head.classifier.weight.grad.flatten(1).abs().sum(dim=1)
    assert grad[model.label_space.nodes.index('car')] > 0
    with torch.no_grad(), model.context.batch(['two', 'two'], 'unified'):
        logits = F.interpolate(model.decode_head(model.extract_feat(prepared['inputs'])),
                               size=(32, 32), mode='bilinear')
    labels = torch.stack([s.gt_sem_seg.data for s in prepared['data_samples']])[:, 0]
    names, total = model.label_space.space('two').classes, 0.0
    for c, name in enumerate(names):
        here = logits.permute(0, 2, 3, 1)[labels == c]
        targets = {n: 0.0 for n in names} | {name: 1.0}
        targets |= {'person': {'car': 1.0}, 'tree': {'road': 1.0}}.get(name, {})
        for node, target in targets.items():
            x = here[:, list(map(str.lower, model.label_space.nodes)).index(node.lower())]
            total += F.binary_cross_entropy_with_logits(x, torch.full_like(x, target),
                                                        reduction='sum')
    torch.testing.assert_close(found['decode.two.loss_bce'].detach(), total / labels.numel())


def test_a_trained_model_needs_no_file(tmp_path):
    plain = segmentor({'type': 'ClassRelationalBCELoss'})
    plain.decode_head.loss_decode[0].set_relations(
        relations_of(plain, two={('person', 'car'): 0.9}))
    model = segmentor({'type': 'ClassRelationalBCELoss', 'relations': str(tmp_path / 'gone.json')})
    with pytest.raises(FileNotFoundError, match='gone.json.*tools/class_relations.py'):
        model(**model.data_preprocessor(batch(['one', 'two']), True), mode='loss')
    model.load_state_dict(plain.state_dict())
    tables = [m.decode_head.loss_decode[0].table_two for m in (model, plain)]
    assert torch.equal(*tables)
    assert len(model.eval().test_step(batch(['one']))) == 1


def test_relations_travel_with_the_checkpoint(tmp_path):
    model = segmentor({'type': 'ClassRelationalBCELoss'})
    model.decode_head.loss_decode[0].set_relations(
        relations_of(model, two={('person', 'car'): 0.9}))
    again = segmentor({'type': 'ClassRelationalBCELoss'})
    again.load_state_dict(model.state_dict())
    names = ['two', 'two']
    expected = losses_of(model, names)['decode.two.loss_bce']
    assert torch.equal(losses_of(again, names)['decode.two.loss_bce'], expected)
    other = segmentor({'type': 'ClassRelationalBCELoss'}, datasets=DATASETS[::-1])
    other.load_state_dict(model.state_dict())  # nodes in another order
    torch.testing.assert_close(losses_of(other, names)['decode.two.loss_bce'], expected)


def test_a_file_of_the_config_outranks_the_checkpoint(tmp_path):
    plain = segmentor({'type': 'ClassRelationalBCELoss'})
    relations_of(plain, two={('person', 'car'): 0.9}).to_json(tmp_path / 'r.json')
    model = segmentor({'type': 'ClassRelationalBCELoss', 'relations': str(tmp_path / 'r.json')})
    model.load_state_dict(plain.state_dict())
    loss, = model.decode_head.loss_decode
    assert len(loss.rows('two')) == 5
    strict = segmentor({'type': 'ClassRelationalBCELoss', 'tau': 0.95,
                        'relations': str(tmp_path / 'r.json')})
    assert len(strict.decode_head.loss_decode[0].rows('two')) == 4
    with pytest.raises(ValueError, match='made for another label space'):
        segmentor({'type': 'ClassRelationalBCELoss', 'relations': str(tmp_path / 'r.json')},
                  space={'type': 'disjoint'})


def test_the_union_needs_one_node_per_class(tmp_path):
    from mmseg_multids.label_spaces import LabelSpace, UnifiedLabelSpace
    spaces = [LabelSpace(d['name'], d['metainfo']['classes']) for d in DATASETS]
    UnifiedLabelSpace(['a', 'b', 'c', 'd'], spaces, {
        'one': [0, 1, 2, 2], 'two': [0, 1, 2, 3]}).to_json(tmp_path / 's.json')
    space = {'type': 'file', 'path': str(tmp_path / 's.json')}
    for loss in ({'type': 'NullBCELoss'}, {'type': 'ClassRelationalBCELoss'},
                 {'type': 'PixelCrossEntropyLoss', 'space': 'unified'}):
        with pytest.raises(ValueError, match='of one have several nodes: car'):
            segmentor(loss, space=space)
    segmentor({'type': 'PixelCrossEntropyLoss'}, space=space)


@pytest.mark.parametrize('space', ['dataset', 'unified'])
def test_class_weights_by_name(space):
    plain = segmentor({'type': 'PixelCrossEntropyLoss', 'space': space})
    weighted = segmentor({'type': 'PixelCrossEntropyLoss', 'space': space,
                          'class_weight': {'two': {'tree': 0.0, 'Sky': 0.0, 'road': 0.0}}})
    data = batch(['two', 'two'])
    for sample in data['data_samples']:
        sample.gt_sem_seg.data[0, :16] = 3
    only = copy.deepcopy(data)
    for sample in only['data_samples']:
        labels = sample.gt_sem_seg.data
        labels[labels != 3] = 255
    a = weighted(**weighted.data_preprocessor(data, True), mode='loss')
    b = plain(**plain.data_preprocessor(only, True), mode='loss')
    torch.testing.assert_close(a['decode.two.loss_ce'], b['decode.two.loss_ce'])


@pytest.mark.parametrize(('options', 'words'), [
    ({'class_weight': {'three': {}}}, "names 'three'; known datasets: one, two"),
    ({'class_weight': {'two': {'cat': 1}}}, "class_weight of two names 'cat'"),
    ({'class_weight': {'two': [1, 2]}}, '4 numbers from 0'),
    ({'class_weight': {'two': [1, 2, -1, 1]}}, '4 numbers from 0'),
    ({'space': 'nodes'}, "space='nodes'"),
])
def test_bad_options(options, words):
    with pytest.raises(ValueError, match=words):
        segmentor({'type': 'PixelCrossEntropyLoss', **options})


def test_other_samplers_are_refused():
    with pytest.raises(TypeError, match='OHEMPixelSampler, the sampler is a'):
        from mmseg.registry import TASK_UTILS
        from mmseg.structures import BasePixelSampler

        @TASK_UTILS.register_module(force=True)
        class OddSampler(BasePixelSampler):
            def __init__(self, context=None):
                pass

            def sample(self, *_):
                """Never called."""

        build(decode_head={'type': 'UniSegHead', 'head': FCN, 'sampler': {'type': 'OddSampler'}})


def test_the_cosine_classifier_is_equation_a_17():
    classifier = CosineNodeClassifier(5, 8)
    x = torch.randn(2, 8, 3, 4)
    rows = torch.tensor([3, 0])
    for logits, scale in ((classifier(x, rows), 20.0), (classifier.similarity(x, rows), 1.0)):
        for i, row in enumerate(rows.tolist()):
            weight = classifier.weight[row].flatten()
            for b in range(2):
                vector = x[b, :, 1, 2]
                cosine = weight @ vector / (weight.norm() * vector.norm())
                torch.testing.assert_close(logits[b, i, 1, 2], scale * cosine)
    with pytest.raises(ValueError, match='scale=0'):
        CosineNodeClassifier(5, 8, scale=0)
    model = segmentor({'type': 'NullBCELoss'}, {'type': 'CosineNodeClassifier'})
    model.parse_losses(losses_of(model, ['one', 'two']))[0].backward()
    assert {type(model.decode_head.loss_decode[0]), NullBCELoss} == {NullBCELoss}
    assert PixelCrossEntropyLoss.activation == 'softmax'
    assert ClassRelationalBCELoss.activation == 'sigmoid'


def test_a_loss_without_relations_says_so_once(monkeypatch):
    said = []
    monkeypatch.setattr('mmseg_multids.models.losses.pixel_losses.print_log',
                        lambda text, **options: said.append(text))
    model = segmentor({'type': 'ClassRelationalBCELoss'})
    data = model.data_preprocessor(batch(['one', 'two']), True)
    for _ in range(2):
        model(**data, mode='loss')
    assert len(said) == 1 and 'is Null BCE' in said[0]
    model.decode_head.loss_decode[0]._warned = False
    model.decode_head.loss_decode[0].awaits_relations = True
    model(**data, mode='loss')
    assert len(said) == 1
