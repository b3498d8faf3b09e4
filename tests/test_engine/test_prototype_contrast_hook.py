"""When the contrast begins, and what is logged of it."""

import pytest
import torch
from mmengine.runner import Runner

from mmseg_multids.apis.trained import load_trained
from mmseg_multids.models import PrototypeContrast

from .test_class_relations_hook import staged
from .test_train_loop import weights


def contrasting(folder, iters=6, **hook):
    cfg = staged(folder, iters)
    cfg.model.backbone.update(stem_channels=8, base_channels=8)
    cfg.model.decode_head.head.in_channels = [8, 16, 32, 64]
    cfg.model.decode_head.classifier = {'type': 'LinearNodeClassifier'}
    cfg.model.decode_head.loss_decode = {'type': 'PixelCrossEntropyLoss'}
    size = cfg.train_dataloader.batch_size
    cfg.model.decode_head.contrast = {'images': 2 * size, 'batch_size': size, 'channels': 8}
    cfg.custom_hooks = [{'type': 'PrototypeContrastHook', 'interval': 2, **hook}]
    cfg.param_scheduler = None
    return cfg


def contrast_of(runner) -> PrototypeContrast:
    return runner.model.decode_head.contrast


def test_the_loss_begins_when_it_is_told(tmp_path):
    runner = Runner.from_cfg(contrasting(tmp_path, collect_from=1, contrast_from=3, picture=True))
    seen = []
    step = runner.model.decode_head.contrast.forward

    def watched(*args):
        losses = step(*args)
        made = contrast_of(runner)
        seen.append((int(made.bank.updates), float(losses['loss_contrast']) > 0))
        return losses

    runner.model.decode_head.contrast.forward = watched
    runner.train()
    assert seen == [(0, False), (1, False), (2, False), (3, True), (4, True), (5, True)]
    scalars = runner.message_hub.log_scalars
    assert 0 < scalars['train/prototypes/coverage'].current() <= 1
    assert 0 < scalars['train/prototypes/norm'].current() <= 1.001
    assert (tmp_path / 'prototypes' / 'iter_6.png').stat().st_size > 1000


@pytest.mark.parametrize('at', [1, 3, 5])
def test_a_resumed_run_is_the_same(tmp_path, at):
    whole = Runner.from_cfg(contrasting(tmp_path / 'whole', collect_from=1))
    whole.train()
    cfg = contrasting(tmp_path / 'part', collect_from=1)
    cfg.resume, cfg.load_from = True, str(tmp_path / 'whole' / f'iter_{at}.pth')
    part = Runner.from_cfg(cfg)
    part.train()
    found, expected = weights(part), weights(whole)
    assert any('contrast.bank.window' in key for key in found)
    assert all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.parametrize(('hook', 'words'), [
    ({'collect_from': -1}, 'collect_from=-1: a number from 0'),
    ({'collect_from': 5, 'contrast_from': 2}, 'contrast_from=2 is before collect_from=5'),
    ({'interval': 0}, 'interval=0: at least 1')])
def test_options_that_cannot_be(tmp_path, hook, words):
    with pytest.raises(ValueError, match=words):
        Runner.from_cfg(contrasting(tmp_path, **hook))


def test_the_bank_must_fit_the_run(tmp_path):
    cfg = contrasting(tmp_path)
    cfg.model.decode_head.contrast.batch_size = 1
    with pytest.raises(ValueError, match='bank has batch_size=1, but 1 process'):
        Runner.from_cfg(cfg).train()
    cfg = contrasting(tmp_path)
    cfg.model.decode_head.pop('contrast')
    with pytest.raises(ValueError, match='needs a bank of prototypes'):
        Runner.from_cfg(cfg).train()


def test_a_loss_that_never_begins(tmp_path):
    with pytest.raises(ValueError, match='contrast_from=6, but training ends after 6'):
        Runner.from_cfg(contrasting(tmp_path, contrast_from=6)).train()


def test_it_begins_with_the_first_batch(tmp_path):
    runner = Runner.from_cfg(contrasting(tmp_path, iters=1))
    runner.train()
    assert runner.message_hub.get_scalar('train/decode.loss_contrast').current() > 0


def test_trained_weights_are_read_without_knowing_the_window(tmp_path):
    cfg = contrasting(tmp_path, iters=2)
    cfg.model.decode_head.contrast = {'channels': 8}
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert contrast_of(runner).bank.num_batches == 5  # half of 2 x 20, in batches of four
    trained = load_trained(tmp_path / 'iter_2.pth').model
    expected = weights(runner)
    assert all(torch.equal(value, expected[key]) for key, value in trained.state_dict().items())
