import numpy as np
import pytest
import torch

from mmseg_multids.models import MultiLabelPrediction
from mmseg_multids.models.segmentors.multi_label import resolve_threshold

from .toy import FCN, batch, build

BCE = {'type': 'UniSegHead', 'head': dict(FCN), 'loss_decode': {'type': 'NullBCELoss'}}
SIZE = (96, 64)


def model_and_samples(names=('one', 'two', 'one'), multi_label='auto', **changes):
    """The model, and what it predicts with and without other classes."""
    model = build(**{'label_space': {'type': 'by_name'}, **changes}).eval()
    torch.nn.init.normal_(model.decode_head.classifier.weight, std=3)
    torch.nn.init.constant_(model.decode_head.classifier.bias, 1.0)
    with torch.no_grad():
        plain = model.test_step(batch(names, SIZE))
        nodes = model.test_step(batch(names, SIZE, label_space='unified'))
        model.test_cfg['multi_label'] = multi_label
        return model, plain, nodes, model.test_step(batch(names, SIZE))


@pytest.mark.parametrize('changes', [{}, {'decode_head': BCE},
                                     {'label_space': {'type': 'disjoint'}},
                                     {'test_cfg': {'mode': 'slide', 'crop_size': (24, 24),
                                                   'stride': (16, 16)}}],
                         ids=['CE', 'BCE', 'multi-head', 'slide'])
def test_own_classes_are_those_of_the_usual_prediction(changes):
    model, plain, nodes, both = model_and_samples(**changes)
    sigmoid = model.decode_head.activation == 'sigmoid'
    assert sigmoid == ('decode_head' in changes)
    replaced = 0
    for usual, every, sample in zip(plain, nodes, both):
        dataset = sample.metainfo['dataset']
        assert torch.equal(sample.pred_sem_seg.data, usual.pred_sem_seg.data)
        torch.testing.assert_close(sample.seg_logits.data, usual.seg_logits.data)
        assert 'label_space' not in sample.metainfo and 'pred_classes' not in sample.metainfo
        scores = model.decode_head.scores(every.seg_logits.data)  # [N, H, W]
        class_of_node = torch.tensor(model.label_space.class_of_node(dataset))
        outside = scores.masked_fill((class_of_node >= 0)[:, None, None], -1)
        maps, result = sample.pred_multi_label, MultiLabelPrediction.from_sample(model, sample)
        score, other = outside.max(dim=0)
        torch.testing.assert_close(maps.other_score[0], score)
        assert torch.equal(maps.other[0], other)
        assert torch.equal(class_of_node[maps.own_node], sample.pred_sem_seg.data)
        assert result.threshold == (0.5 if sigmoid else 0.1) and result.dataset == dataset
        np.testing.assert_array_equal(
            result.combined,
            np.where(result.other_score > result.threshold, result.other, result.own_node))
        assert result.own.shape == result.combined.shape == SIZE
        assert len(result.nodes) == len(result.palette) == model.label_space.num_nodes
        replaced += (result.combined != result.own_node).sum()
    assert replaced > 0


def test_another_label_space_is_the_one_that_others_are_beside():
    model, *_ = model_and_samples()
    sample = model.test_step(batch(['one'], label_space='two'))[0]
    result = MultiLabelPrediction.from_sample(model, sample)
    assert result.dataset == 'two' and result.classes == ('Sky', 'tree', 'road', 'person')
    assert sample.metainfo['label_space'] == 'two'
    assert set(np.unique(result.other)) == {model.label_space.nodes.index('car')}
    unified = model.test_step(batch(['one'], label_space='unified'))[0]
    assert 'pred_multi_label' not in unified  # nothing is beside all nodes


def test_samples_without_it_say_what_to_set():
    model, plain, *_ = model_and_samples()
    with pytest.raises(ValueError, match="model.test_cfg.'multi_label'. to 'auto'"):
        MultiLabelPrediction.from_sample(model, plain[0])


@pytest.mark.parametrize('threshold', [-0.1, 1.5, 'high', True, float('nan')])
def test_thresholds_are_scores(threshold):
    with pytest.raises(ValueError, match='a score from 0 to 1 is needed'):
        resolve_threshold(threshold, 'sigmoid')


def test_default_thresholds_are_the_papers():
    assert resolve_threshold(None, 'sigmoid') == resolve_threshold('auto', 'sigmoid') == 0.5
    assert resolve_threshold('auto', 'softmax') == 0.1
    assert resolve_threshold(0, 'softmax') == 0.0
