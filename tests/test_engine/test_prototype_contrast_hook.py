"""When the contrast begins, and what is logged of it."""

import pytest
import torch
from mmengine.runner import Runner

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


def test_the_loss_begins_a_window_after_the_bank(tmp_path):
    runner = Runner.from_cfg(contrasting(tmp_path, collect_from=1, picture=True))
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
