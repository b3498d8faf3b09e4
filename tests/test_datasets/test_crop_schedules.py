"""Crop schedules against section 3.3 of self-training, epoch by epoch."""

import pytest

from mmseg_multids.datasets.crop_schedules import KINDS, CropSchedule

SIZES = (400, 480, 560, 640, 720, 800)


def schedule(kind, **changes):
    return CropSchedule(kind, **{'sizes': SIZES, 'epochs': 180, 'epoch_images': 2975,
                                 'batch_size': 16, **changes})


def sides(made):
    return [made.shape_of_epoch(e).crop_size[0] for e in range(made.epochs)]


def test_the_papers_stages():
    assert sides(schedule('coarse2fine')) == [s for s in SIZES for _ in range(30)]
    assert sides(schedule('fine2coarse')) == [s for s in SIZES[::-1] for _ in range(30)]
    assert sides(schedule('coarse2fine+')) == list(SIZES) * 30
    assert sides(schedule('fine2coarse+')) == list(SIZES[::-1]) * 30
    assert sides(schedule('constant')) == [800] * 180
    # "eventually 800 for the rest of the training"
    assert sides(schedule('coarse2fine', epochs=200))[150:] == [800] * 50


@pytest.mark.parametrize('kind', KINDS)
def test_warm_up_is_at_the_largest_size(kind):
    found = sides(schedule(kind, warmup_epochs=20))
    assert found[:20] == [800] * 20
    assert found[20:] == sides(schedule(kind))[:160]


def test_batches_hold_the_pixels_of_one_of_largest_crops():
    made = schedule('coarse2fine+')
    found = {shape.crop_size[0]: shape.batch_size for shape in
             (made.shape_of_epoch(e) for e in range(6))}
    assert found == {400: 64, 480: 44, 560: 32, 640: 25, 720: 19, 800: 16}
    assert all(b * s * s <= 16 * 800 * 800 < (b + 1) * s * s for s, b in found.items())
    assert schedule('coarse2fine+', max_batch_size=40).shape_of_epoch(0).batch_size == 40
    assert schedule('coarse2fine+', sizes=(100, 800)).shape_of_epoch(0).batch_size == 64


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('warmup', [0, 3])
def test_iterations_and_images_are_those_of_a_loop(kind, warmup):
    made = schedule(kind, epochs=20, epoch_images=101, batch_size=4, stage_epochs=3,
                    warmup_epochs=warmup)
    iteration = images = 0
    for epoch in range(20):
        shape = made.shape_of_epoch(epoch)
        for _ in range(max(1, round(101 / shape.batch_size))):
            assert made.epoch_at(iteration) == epoch and made.shape_at(iteration) == shape
            assert made.images_before(iteration) == images
            iteration, images = iteration + 1, images + shape.batch_size
    assert made.iterations == iteration
    # As many images as were asked for, but for rounding to whole batches.
    assert abs(images - 20 * 101) < 20 * 16 / 2
    assert made.epoch_at(iteration + 5) == 19


def test_crops_may_be_oblong():
    made = CropSchedule('fine2coarse+', [(256, 512), (128, 256)], 4, 10, 2)
    assert [made.shape_of_epoch(e) for e in range(2)] == [((256, 512), 2), ((128, 256), 8)]


@pytest.mark.parametrize(('changes', 'words'), [
    ({'kind': 'fast'}, "kind='fast': allowed are constant, coarse2fine"),
    ({'epochs': 0}, 'epochs=0: a whole number from 1'),
    ({'warmup_epochs': -1}, 'warmup_epochs=-1: a whole number from 0'),
    ({'max_batch_size': 8}, 'max_batch_size=8: a whole number from 16'),
    ({'sizes': ()}, r'sizes=\[\]: sides above 0'), ({'sizes': (0, 4)}, r'sizes=\[0, 4\]')])
def test_schedules_that_cannot_be(changes, words):
    with pytest.raises(ValueError, match=words):
        schedule(**{'kind': 'constant', **changes})
