"""Fine-tuning with classifier rows that are carried over by name."""

import json

import pytest
import torch
from mmengine.runner import save_checkpoint

from mmseg_multids.models.segmentors import checkpoint as module

from .toy import DATASETS, FCN, build

#: Beside `road`, `sky` and `car` of one, and `Sky`, `tree`, `road`, `person` of two.
TARGET = [{'name': 'three', 'type': 'BaseSegDataset',
           'metainfo': {'classes': ('lamp', 'CAR', 'road', 'sky_', 'human')}}]
AUXILIARY = {'type': 'UniSegHead', 'loss_decode': {'type': 'CrossEntropyLoss'},
             'head': {**FCN, 'in_channels': 256, 'in_index': 2, 'channels': 4}}


@pytest.fixture
def said(monkeypatch):
    found = []
    monkeypatch.setattr(module, 'print_log', lambda text, logger=None, level=None:
                        found.append(text))
    return found


def donor(tmp_path, **changes):
    model = build(auxiliary_head=AUXILIARY, **changes)
    with torch.no_grad():
        for value in model.parameters():
            value.normal_()
    save_checkpoint({'state_dict': model.state_dict()}, str(tmp_path / 'donor.pth'))
    return model


def tuned(tmp_path, classifier, datasets=TARGET, **changes):
    return build(datasets=datasets, auxiliary_head=AUXILIARY,
                 finetune_from=str(tmp_path / 'donor.pth'), finetune_classifier=classifier,
                 **changes)


def heads(model):
    return {'decode': model.decode_head.classifier, 'auxiliary': model.auxiliary_head.classifier}


@pytest.mark.parametrize('space', ['disjoint', 'by_name'])
def test_rows_follow_their_names(tmp_path, said, space):
    old = donor(tmp_path, label_space={'type': space})
    model, fresh = tuned(tmp_path, 'by_name'), tuned(tmp_path, None)
    nodes = {(d, c): old.label_space.nodes_of_class(d, i)[0] for d in ('one', 'two')
             for i, c in enumerate(old.label_space.space(d).classes)}
    for name, classifier in heads(model).items():
        for key in ('weight', 'bias'):
            ours, before = getattr(classifier, key), getattr(heads(old)[name], key)
            for i, first, second in ((2, 'road', 'road'), (3, 'sky', 'Sky')):  # one node, or two
                mean = before[[nodes['one', first], nodes['two', second]]].mean(0)
                torch.testing.assert_close(ours[i], mean)
            assert torch.equal(ours[1], before[nodes['one', 'car']])
            own = getattr(heads(fresh)[name], key)
            assert torch.equal(ours[[0, 4]], own[[0, 4]])  # as they were
            if key == 'weight':
                assert not torch.equal(ours[1:4], own[1:4])
    assert torch.equal(model.backbone.conv1.weight, old.backbone.conv1.weight)
    assert said.count('3 of 5 rows of the classifiers are carried over by name; new: '
                      + ', '.join(model.label_space.nodes[i] for i in (0, 4))) == 1


def test_the_dataset_to_take_from_and_aliases(tmp_path, said):
    old = donor(tmp_path)
    rows = heads(old)['decode'].weight
    model = tuned(tmp_path, {'type': 'by_name', 'dataset': 'two',
                             'aliases': [['human', 'person']]})
    ours = heads(model)['decode'].weight
    assert torch.equal(ours[[2, 3, 4]], rows[[3 + 2, 3 + 0, 3 + 3]])
    assert said[-1].endswith('new: three/lamp, three/CAR')


def test_a_dataset_of_the_same_name_with_other_classes(tmp_path, said):
    """As after training on a part of the classes."""
    old = donor(tmp_path, datasets=DATASETS[:1])
    again = [{'name': 'one', 'type': 'BaseSegDataset',
              'metainfo': {'classes': ('car', 'boat', 'sky')}}]
    ours = heads(tuned(tmp_path, 'by_name', again))['decode']
    assert torch.equal(ours.weight[[0, 2]], heads(old)['decode'].weight[[2, 1]])
    assert '2 of 3 rows' in said[-1] and 'boat' in said[-1]


def test_the_predictions_of_common_classes_stay(tmp_path):
    old = donor(tmp_path, datasets=DATASETS[:1])
    classes = [{'name': 'three', 'type': 'BaseSegDataset',
                'metainfo': {'classes': ('sky', 'road', 'lamp')}}]
    model = tuned(tmp_path, 'by_name', classes)
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        before, after = (m.eval()._forward(images) for m in (old, model))
    torch.testing.assert_close(after[:, :2], before[:, [1, 0]])


def test_classes_of_several_nodes_add_up(tmp_path):
    """The old class is the sum of two nodes; the new one is one node with the same logits."""
    space = {'format': 'mmseg_multids/label_space/2',
             'datasets': [{'name': 'one', 'classes': ['road', 'sky', 'car'],
                           'palette': [[0, 0, 0], [1, 1, 1], [2, 2, 2]]}],
             'nodes': [{'name': n, 'classes': {'one': c}} for n, c in (
                 ('asphalt', 'road'), ('lane', 'road'), ('sky', 'sky'), ('car', 'car'))]}
    (tmp_path / 'space.json').write_text(json.dumps(space))
    label_space = {'type': 'file', 'path': str(tmp_path / 'space.json')}
    old = donor(tmp_path, datasets=DATASETS[:1], label_space=label_space)
    rows = heads(old)['decode'].weight
    ours = heads(tuned(tmp_path, 'by_name'))['decode'].weight
    torch.testing.assert_close(ours[2], rows[0] + rows[1])
    lanes = [{'name': 'three', 'type': 'BaseSegDataset',
              'metainfo': {'classes': ('lane', 'road')}}]
    ours = heads(tuned(tmp_path, 'by_name', lanes))['decode'].weight
    torch.testing.assert_close(ours[0], rows[1])  # a node's own name
    back = heads(tuned(tmp_path, 'by_name', DATASETS[:1], label_space=label_space))['decode'].weight
    torch.testing.assert_close(back[0] + back[1], rows[0] + rows[1])


def test_other_classifiers(tmp_path):
    cosine = {'type': 'UniSegHead', 'head': FCN, 'classifier': {'type': 'CosineNodeClassifier'},
              'loss_decode': {'type': 'CrossEntropyLoss'}}
    old = donor(tmp_path, decode_head=cosine)
    model = tuned(tmp_path, 'by_name', decode_head=cosine)
    assert torch.equal(heads(model)['decode'].weight[1], heads(old)['decode'].weight[2])
    with pytest.raises(ValueError, match='the rows decode_head.classifier.bias are missing'):
        tuned(tmp_path, 'by_name')


@pytest.mark.parametrize(('classifier', 'words'), [
    ('by_hand', "finetune_classifier='by_hand': allowed are None, 'by_name'"),
    ({'dataset': 'one'}, 'allowed are None'),
    ({'type': 'by_name', 'datasets': 'one'}, "no key 'datasets'"),
    ({'type': 'by_name', 'dataset': 'moon'}, "donor.pth: .*unknown dataset 'moon'"),
])
def test_options_that_cannot_be(tmp_path, classifier, words):
    donor(tmp_path)
    with pytest.raises(ValueError, match=words):
        tuned(tmp_path, classifier)


def test_nothing_to_carry_over(tmp_path):
    donor(tmp_path)
    other = [{'name': 'sea', 'type': 'BaseSegDataset', 'metainfo': {'classes': ('water', 'fish')}}]
    with pytest.raises(ValueError, match='no class has a name that the checkpoint knows. It knows '
                                         '.*road.*has .*water'):
        tuned(tmp_path, 'by_name', other)
    with pytest.raises(ValueError, match='finetune_classifier needs finetune_from'):
        build(finetune_classifier='by_name')
