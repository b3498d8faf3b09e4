"""Models of entries that are labelled in another dataset's classes, and of soft labels."""

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData

from mmseg_multids.engine.absent_rows import AbsentRows

from .toy import DATASETS, batch, build, sample

MORE = [*DATASETS, {'name': 'more', 'type': 'BaseSegDataset', 'labels_of': 'one'},
        {'name': 'other', 'type': 'BaseSegDataset', 'labels_of': 'one', 'images_of': 'two'}]
OWN_LOSS = {'type': 'PixelCrossEntropyLoss'}


def model(datasets=MORE, loss=OWN_LOSS, **keys):
    made = build(datasets=datasets, **{k: v for k, v in keys.items() if k != 'head_keys'},
                 decode_head={'type': 'UniSegHead', 'loss_decode': loss,
                              **keys.get('head_keys', {}),
                              'head': {'type': 'FCNHead', 'in_channels': 512, 'in_index': 3,
                                       'channels': 8, 'num_convs': 1, 'concat_input': False,
                                       'norm_cfg': {'type': 'BN'}, 'dropout_ratio': 0.0}})
    return made


def losses(made, data):
    data = made.data_preprocessor(data, True)
    found = made.loss(data['inputs'], data['data_samples'])
    return {key.replace('decode.', ''): value for key, value in found.items()}


def renamed(data, names):
    for one, name in zip(data['data_samples'], names):
        one.set_metainfo({'dataset': name})
    return data


def test_their_classes_share_the_rows_of_the_classifier():
    made, plain = model(), model(DATASETS)
    assert made.state_dict().keys() == plain.state_dict().keys()
    plain.load_state_dict(made.state_dict())
    names = ['one', 'one', 'two']
    found = losses(made, renamed(batch(names), ['one', 'more', 'two']))
    assert [k for k in found if 'loss' in k] == ['one.loss_ce', 'more.loss_ce',
                                                   'two.loss_ce']
    expected = losses(plain, batch(names))
    # The same pixels in all, in two groups of the same size.
    torch.testing.assert_close(found['one.loss_ce'] + found['more.loss_ce'],
                               expected['one.loss_ce'])
    torch.testing.assert_close(found['two.loss_ce'], expected['two.loss_ce'])


def test_their_losses_have_weights_of_their_own():
    once = losses(model(), renamed(batch(['one', 'one']), ['one', 'more']))
    half = losses(model(head_keys={'dataset_weights': {'more': 0.5}}),
                  renamed(batch(['one', 'one']), ['one', 'more']))
    torch.testing.assert_close(half['more.loss_ce'], once['more.loss_ce'] / 2)
    torch.testing.assert_close(half['one.loss_ce'], once['one.loss_ce'])
    with pytest.raises(ValueError, match="'three', which is not in the mix; known: one, more, two"):
        model(head_keys={'dataset_weights': {'three': 0.5}})


def test_by_pixels_all_labelled_pixels_count_alike():
    """As many pseudo labels as a threshold leaves weigh as much as so many real ones."""
    def data(names):
        made = batch(['one'] * 4)
        for one in made['data_samples'][1:]:
            one.gt_sem_seg.data[:, 3:] = 255
        return renamed(made, names)

    names = ['one', 'more', 'more', 'other']
    total = {}
    for reduction in ('mean', 'pixels'):
        made = model(head_keys={'dataset_reduction': reduction}).eval()
        found = losses(made, data(names))
        total[reduction] = sum(value for key, value in found.items() if 'loss' in key)
        joint = losses(made, data(['one'] * 4))['one.loss_ce']
    torch.testing.assert_close(total['pixels'], joint)
    assert (total['mean'] - joint).abs() > 1e-4
    nothing = data(names)
    for one in nothing['data_samples']:
        one.gt_sem_seg.data.fill_(255)
    assert all(value == 0 for key, value in losses(made, nothing).items() if 'loss' in key)
    with pytest.raises(ValueError, match="'pixels' needs losses that are means.*loss_ce"):
        model(loss={'type': 'CrossEntropyLoss'}, head_keys={'dataset_reduction': 'pixels'})


def test_batch_norms_count_them_with_the_images_they_are_like():
    made, plain = model(dataset_norm={}), model(DATASETS, dataset_norm={})
    plain.load_state_dict(made.state_dict())
    labels = ['one', 'one', 'two', 'one']
    found = losses(made, renamed(batch(labels), ['one', 'more', 'two', 'other']))
    # 'other' has labels of one and is normalised with two.
    data = plain.data_preprocessor(batch(labels), True)
    with plain.context.batch(['one', 'one', 'two', 'two']):
        plain.extract_feat(data['inputs'])
    for key, value in plain.state_dict().items():
        if 'running' in key and key.startswith('backbone'):
            torch.testing.assert_close(made.state_dict()[key], value, msg=key)
    assert list(made.context.sources) == ['one', 'more', 'two', 'other']
    assert 'other.loss_ce' in found


def test_rows_that_only_they_use_are_trained():
    made = model(dataset_norm={})
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    absent = AbsentRows(made, optimizer, made.context.sources)
    before = {k: v.clone() for k, v in made.state_dict().items()}
    for _ in range(2):
        absent.begin_step()
        absent.see(['other'])
        made.train_step(renamed(batch(['one', 'one']), ['other', 'other']), OptimWrapper(optimizer))
    after = made.state_dict()
    rows = made.label_space.class_of_node('one') >= 0
    classifier = 'decode_head.classifier.weight'
    moved = (after[classifier] != before[classifier]).flatten(1).any(1)
    assert moved.tolist() == rows.tolist()  # labels of one
    norm = next(k for k in after if k.startswith('backbone') and k.endswith('bn1.weight'))
    moved = (after[norm] != before[norm]).any(1)
    assert moved.tolist() == [False, True]  # images of two
    absent.remove()


def test_soft_labels_train_as_hard_ones_where_they_are_sure():
    made = model()
    made.eval()
    data = batch(['one', 'one'])
    hard = losses(made, data)['one.loss_ce']
    soft = data['data_samples'][0]
    labels = soft.gt_sem_seg.data
    soft.set_data({
        'gt_soft_ids': PixelData(data=torch.cat([labels, (labels + 1) % 3])),
        'gt_soft_scores': PixelData(data=torch.cat([torch.ones(1, 32, 32), torch.zeros(1, 32, 32)]))
    })
    torch.testing.assert_close(losses(made, data)['one.loss_ce'], hard)
    soft.gt_soft_scores = PixelData(data=torch.full((2, 32, 32), 0.5))
    unsure = losses(made, data)['one.loss_ce']
    first = sample('one', seed=0)
    other = sample('one', seed=0)
    other.gt_sem_seg = PixelData(data=(labels + 1) % 3)
    each = []
    for own in (first, other):
        each.append(losses(made, {'inputs': data['inputs'],
                                  'data_samples': [own, data['data_samples'][1]]})['one.loss_ce'])
    torch.testing.assert_close(unsure, (each[0] + each[1]) / 2)


def test_soft_labels_are_refused_where_they_would_be_ignored():
    data = batch(['one', 'two'])
    data['data_samples'][0].set_data({
        'gt_soft_ids': PixelData(data=torch.zeros(1, 32, 32, dtype=torch.long)),
        'gt_soft_scores': PixelData(data=torch.ones(1, 32, 32))})
    with pytest.raises(ValueError, match='CrossEntropyLoss takes no soft labels'):
        losses(model(loss={'type': 'CrossEntropyLoss', 'avg_non_ignore': True}), data)
    with pytest.raises(ValueError, match='mixing takes no soft labels'):
        losses(model(mixing={'region': 1.0}), data)


def test_the_pretrainer_refuses_them():
    from .test_pretrainer import build as build_pretrainer
    with pytest.raises(ValueError, match="'more' has labels_of, which pretraining does not know"):
        build_pretrainer(datasets=MORE)
