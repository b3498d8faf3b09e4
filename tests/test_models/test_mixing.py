"""Mixing the images of a batch across datasets, for supervised models."""

import pytest
import torch

from mmseg_multids.models.mixing import CrossDatasetMixing

from .toy import build, model_cfg, sample

NAMES = ['one', 'one', 'two']


def batch():
    generator = torch.Generator().manual_seed(0)
    samples = [sample(name, seed=i) for i, name in enumerate(NAMES)]
    inputs = torch.rand(3, 3, 32, 32, generator=generator)
    return inputs, torch.stack([s.gt_sem_seg.data[0] for s in samples]), samples


@pytest.mark.parametrize('seed', range(5))
def test_regions_show_one_image_each_with_its_own_labels(seed):
    inputs, labels, _ = batch()
    labels[0, :5] = 255
    torch.manual_seed(seed)
    found = CrossDatasetMixing(region=1.0)(inputs, labels, NAMES)
    assert found.partner_names[0] == found.partner_names[1] == 'two'
    assert found.partner_names[2] == 'one'
    seen = 0
    for b in range(3):
        partners = [i for i in range(3) if NAMES[i] == found.partner_names[b]]
        for i in range(32):
            for j in range(32):
                pixel = found.inputs[b, :, i, j]
                if torch.equal(pixel, inputs[b, :, i, j]):
                    assert found.labels[b, i, j] == labels[b, i, j]
                    assert found.partner_labels[b, i, j] == 255
                    seen += 1
                else:
                    assert found.labels[b, i, j] == 255
                    assert any(torch.equal(pixel, inputs[p, :, i, j])
                               and found.partner_labels[b, i, j] == labels[p, i, j]
                               for p in partners)
    assert found.share == pytest.approx(seen / (3 * 32 * 32))


def test_pixels_are_blended_and_keep_both_labels():
    inputs, labels, _ = batch()
    torch.manual_seed(0)
    found = CrossDatasetMixing(pixel=1.0)(inputs, labels, NAMES)
    assert torch.equal(found.labels, labels) and 0 < found.share < 1
    torch.testing.assert_close(found.inputs[0],
                               found.share * inputs[0] + (1 - found.share) * inputs[2])
    assert torch.equal(found.partner_labels[0], labels[2])


def test_probabilities():
    inputs, labels, _ = batch()
    torch.manual_seed(0)
    mixes = CrossDatasetMixing(region=0.3, pixel=0.2)
    found = [mixes(inputs, labels, NAMES) for _ in range(300)]
    untouched = sum(one is None for one in found)
    regions = sum(one is not None and bool((one.labels == 255).any()) for one in found)
    assert 120 < untouched < 180 and 65 < regions < 115


def test_a_batch_of_one_dataset_stays_as_it_is():
    inputs, labels, _ = batch()
    assert CrossDatasetMixing(region=1.0)(inputs, labels, ['one'] * 3) is None


@pytest.mark.parametrize('arguments', [{'region': -0.1, 'pixel': 0.5}, {}, {'region': 0.7,
                                                                            'pixel': 0.6}])
def test_probabilities_that_cannot_be(arguments):
    with pytest.raises(ValueError, match='together they must be above 0 and at most 1'):
        CrossDatasetMixing(**arguments)


@pytest.mark.parametrize('kind', ['region', 'pixel'])
@pytest.mark.parametrize('over_all', [False, True])
def test_losses_are_the_shares_sum_of_both_labels(monkeypatch, kind, over_all):
    """A loss that divides by all pixels already has a region's share in it."""
    model = build(mixing={kind: 1.0}).eval()  # without dropout and with still batch norms
    model.decode_head.loss_decode[0].avg_non_ignore = not over_all
    inputs, labels, samples = batch()
    torch.manual_seed(3)
    mixed = model.mixing(inputs, labels, NAMES)
    monkeypatch.setattr(model.mixing.__class__, '__call__', lambda *args: mixed)
    found = model.loss(inputs, samples)
    model.mixing = None

    def alone(names, own):
        """The losses of the mixed images with one of their label maps."""
        of_these = [sample(name, seed=i) for i, name in enumerate(names)]
        for one, label in zip(of_these, own):
            one.gt_sem_seg.data = label[None]
        return model.loss(mixed.inputs, of_these)

    first = alone(NAMES, mixed.labels)
    second = alone(mixed.partner_names, mixed.partner_labels)
    for dataset in ('one', 'two'):
        key = f'decode.{dataset}.loss_ce'
        expected = mixed.share * first[key] + (1 - mixed.share) * second[key]
        if over_all and kind == 'region':
            expected = first[key] + second[key]
        torch.testing.assert_close(found[key], expected)
        assert found[f'decode.{dataset}.acc_seg'] == first[f'decode.{dataset}.acc_seg']
    assert set(found) == set(first)


def test_blended_images_alone_would_leave_the_bank_empty():
    head = {**model_cfg().decode_head, 'contrast': {'images': 4, 'batch_size': 2}}
    with pytest.raises(ValueError, match='pixel=1 with contrast.*would stay empty'):
        build(mixing={'pixel': 1.0}, decode_head=head)
    build(mixing={'pixel': 0.9}, decode_head=head)


def test_a_mixed_step_trains_both_classifiers():
    model = build(mixing={'region': 0.5, 'pixel': 0.5})
    inputs, _, samples = batch()
    torch.manual_seed(0)
    losses = model.loss(inputs, samples)
    sum(v for k, v in losses.items() if 'loss' in k).backward()
    assert (model.decode_head.classifier.weight.grad.flatten(1).abs().sum(1) > 0).all()
    assert model.context.mixed is None
