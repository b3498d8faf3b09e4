"""Dataset alternation training (CDCL, section 3.2.3) and what absent datasets keep."""

import pytest
import torch
from mmengine.runner import Runner

from mmseg_multids.engine.absent_rows import AbsentRows

from ..test_models.toy import batch, build
from .test_train_loop import ENTRIES, config, weights


def alternating(tmp_path, iters, interval=1, step_after='cycle', optimizer=None, **changes):
    cfg = config(tmp_path, iters, **changes)
    cfg.model.dataset_norm = {}
    cfg.model.decode_head.head.dropout_ratio = 0.0
    cfg.train_dataloader.batch_size = 2
    cfg.train_dataloader.sampler.plan = dict(type='alternate', first='asia', interval=interval)
    cfg.train_cfg.step_after = step_after
    cfg.optim_wrapper.optimizer = optimizer or dict(type='SGD', lr=0.1, momentum=0.9,
                                                    weight_decay=0.01)
    cfg.param_scheduler = []
    return cfg


@pytest.mark.parametrize('interval', [1, 2, 3])
@pytest.mark.parametrize('with_cp', [False, True])
def test_a_cycle_has_the_gradients_of_the_summed_loss(tmp_path, interval, with_cp):
    cfg = alternating(tmp_path, 1, interval, optimizer=dict(type='SGD', lr=0.1))
    cfg.model.backbone.with_cp = with_cp
    cfg.model.decode_head.dataset_weights = dict(city=0.5, asia=2.0)
    runner = Runner.from_cfg(cfg)
    runner.model.init_weights()
    before = {k: p.detach().clone() for k, p in runner.model.named_parameters()}
    seen = []
    original = runner.model.loss

    def loss(inputs, data_samples):
        seen.append((inputs.clone(), data_samples))
        return original(inputs, data_samples)

    runner.model.loss = loss
    runner.model._is_init = True  # keep the weights that were copied above
    runner.train()
    assert [s[1][0].metainfo['dataset'] for s in seen] == ['asia'] * interval + ['city']

    twin = Runner.from_cfg(alternating(tmp_path / 'twin', 1, interval)).model
    for k, p in twin.named_parameters():
        p.data = before[k].clone()
    twin.train()
    total = 0.0
    for inputs, samples in seen:  # Eq. (3), the weights written out; one backward over all
        found = twin.loss(inputs, samples)
        name = samples[0].metainfo['dataset']
        total = total + {'city': 0.5, 'asia': 2.0}[name] * found[f'decode.{name}.loss_ce']
    total.backward()
    after = dict(runner.model.named_parameters())
    for k, p in twin.named_parameters():
        torch.testing.assert_close(after[k].detach(), before[k] - 0.1 * p.grad, rtol=1e-4,
                                   atol=1e-5, msg=k)
    for k, buffer in twin.named_buffers():
        if 'running' in k:
            torch.testing.assert_close(dict(runner.model.named_buffers())[k], buffer)


def test_cycles_count_as_iterations_and_resume_exactly(tmp_path):
    whole = Runner.from_cfg(alternating(tmp_path, 6, 2))
    whole.train()
    resumed = Runner.from_cfg(alternating(tmp_path / 'again', 6, 2, resume=True,
                                          load_from=str(tmp_path / 'iter_3.pth')))
    resumed.train()
    expected, found = weights(whole), weights(resumed)
    assert all(torch.equal(expected[k], found[k]) for k in expected)
    counts = whole.model.backbone.bn1.num_batches_tracked
    assert counts.tolist() == [6, 12]  # city, asia


def test_one_line_of_the_log_has_every_dataset(tmp_path):
    runner = Runner.from_cfg(alternating(tmp_path, 1, 2))
    runner.train()
    scalars = runner.message_hub.log_scalars
    parts = [scalars[f'train/decode.{name}.loss_ce'].current() for name in ('city', 'asia')]
    # asia's two batches: the log has their mean, the total their sum
    assert scalars['train/loss'].current() == pytest.approx(parts[0] + 2 * parts[1], rel=1e-5)


@pytest.mark.parametrize('optimizer', [
    dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.1),
    dict(type='AdamW', lr=0.01, weight_decay=0.1)])
def test_rows_of_absent_datasets_do_not_move(tmp_path, optimizer):
    """Alternating without accumulation: momentum and weight decay would move them."""
    cfg = alternating(tmp_path, 3, step_after='batch', optimizer=optimizer)
    runner = Runner.from_cfg(cfg)
    states = []
    original = runner.call_hook

    def call_hook(name, **kwargs):
        if name in ('before_train_iter', 'after_train_iter'):
            states.append({k: v.clone() for k, v in runner.model.state_dict().items()})
        original(name, **kwargs)

    runner.call_hook = call_hook
    runner.train()
    space = runner.model.label_space
    for step, (absent, present) in enumerate((('city', 'asia'), ('asia', 'city'),
                                              ('city', 'asia'))):
        before, after = states[2 * step], states[2 * step + 1]
        row = space.datasets.index(absent)
        other = space.datasets.index(present)
        for key in ('backbone.bn1.weight', 'backbone.layer4.1.bn2.bias',
                    'backbone.bn1.running_mean', 'decode_head.head.fusion_conv.bn.weight'):
            assert torch.equal(before[key][row], after[key][row]), (step, key)
            assert not torch.equal(before[key][other], after[key][other]), (step, key)
        rows = space.node_of_class(absent)
        for key in ('decode_head.classifier.weight', 'decode_head.classifier.bias'):
            assert torch.equal(before[key][rows], after[key][rows])
            assert not torch.equal(before[key], after[key])


def test_accumulated_batches_keep_what_each_of_them_brought(tmp_path):
    """A step of two batches of two datasets moves the rows of both."""
    cfg = alternating(tmp_path, 2, step_after='batch')
    cfg.optim_wrapper.accumulative_counts = 2
    runner = Runner.from_cfg(cfg)
    before = {k: v.clone() for k, v in runner.model.state_dict().items()}
    runner.train()
    after = runner.model.state_dict()
    for row in range(2):
        key = 'decode_head.head.fusion_conv.bn.bias'
        assert not torch.equal(before[key][row], after[key][row])


def test_rows_of_datasets_that_are_not_loaded_do_not_move(tmp_path):
    cfg = alternating(tmp_path, 3, step_after='batch')
    cfg.train_dataloader.dataset.datasets = cfg.train_dataloader.dataset.datasets[:1]
    cfg.train_dataloader.sampler.plan = dict(type='alternate')
    runner = Runner.from_cfg(cfg)
    runner.model.init_weights()
    runner.model._is_init = True
    before = {k: v.clone() for k, v in runner.model.state_dict().items()}
    runner.train()
    for key, value in runner.model.state_dict().items():
        if 'bn' in key and value.dim() and len(value) == 2:
            assert torch.equal(value[1], before[key][1]), key
    assert not torch.equal(before['backbone.bn1.weight'][0], runner.model.backbone.bn1.weight[0])


def test_resuming_with_datasets_in_another_order_is_refused(tmp_path):
    """Weights are matched by name; the optimiser's state is not."""
    Runner.from_cfg(alternating(tmp_path, 3)).train()
    cfg = alternating(tmp_path / 'again', 6, resume=True, load_from=str(tmp_path / 'iter_3.pth'))
    for datasets in (cfg.model, cfg.train_dataloader.dataset):
        datasets.datasets = datasets.datasets[::-1]
    with pytest.raises(ValueError, match='had its datasets in the order city, asia.*asia, city'):
        Runner.from_cfg(cfg).train()
    cfg.resume = False
    cfg.train_cfg.max_iters = 1
    Runner.from_cfg(cfg).train()


def test_a_row_that_comes_back_goes_on_with_its_own_momentum():
    """Steps of others are as if they had not happened (SGD), so two runs agree."""
    finals = []
    for sequence in (['one', 'two', 'two', 'one', 'one'], ['one', 'one', 'one']):
        model = build(dataset_norm={})
        weight = model.backbone.bn1.weight
        optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9, weight_decay=0.1)
        absent = AbsentRows(model, optimizer, ('one', 'two'))
        for name in sequence:
            optimizer.zero_grad()
            index = ('one', 'two').index(name)
            weight[index].square().sum().backward()
            absent.begin_step()
            absent.see((name,))
            optimizer.step()
        finals.append(weight[0].detach().clone())
        absent.remove()
    torch.testing.assert_close(finals[0], finals[1], rtol=0, atol=0)
    assert not optimizer._optimizer_step_pre_hooks


def test_losses_over_all_nodes_use_every_row():
    space = {'type': 'by_name'}
    unified = build(label_space=space, decode_head={
        'type': 'UniSegHead', 'head': build_head(),
        'loss_decode': {'type': 'PixelCrossEntropyLoss', 'space': 'unified'}})
    assert unified.decode_head.dataset_rows(['one'])['classifier.weight'].all()
    own = build(label_space=space)
    assert own.decode_head.dataset_rows(['one'])['classifier.weight'].tolist() == \
        (own.label_space.class_of_node('one') >= 0).tolist()


def build_head():
    from ..test_models.toy import FCN
    return dict(FCN)


def test_a_model_keeps_its_absent_rows_in_a_real_step():
    model = build(dataset_norm={})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    absent = AbsentRows(model, optimizer, ('one', 'two'))
    absent.see(('two',))
    before = {k: p.detach().clone() for k, p in model.named_parameters()}
    data = model.data_preprocessor(batch(['two', 'two'], size=(96, 96)), True)
    model.parse_losses(model(**data, mode='loss'))[0].backward()
    optimizer.step()
    for k, p in model.named_parameters():
        if 'bn' in k:
            assert torch.equal(p[0], before[k][0]), k
            # bn1 has no gradient yet: the residual branches begin with a scale of 0
            assert 'bn1.bias' in k or not torch.equal(p[1], before[k][1]), k
        elif k != 'decode_head.classifier.bias':
            assert not torch.equal(p, before[k])


@pytest.mark.parametrize(('change', 'words'), [
    (dict(step_after='epoch'), "step_after='epoch': allowed are 'batch' and 'cycle'"),
    (dict(plan='mixed'), "plan=dict\\(type='alternate'\\): no other has cycles"),
    (dict(interval=0), "interval=0 .batches of 'asia' in a cycle.; a whole number"),
    (dict(interval=-1), "interval=-1"),
    (dict(interval=1.5), 'interval=1.5'),
    (dict(intervall=2), "plan 'alternate' has no 'intervall'; allowed: counts, first, interval"),
    (dict(first='nowhere'), "first names 'nowhere'.*known: city, asia"),
    (dict(accumulative_counts=2), 'remove accumulative_counts'),
])
def test_bad_settings(tmp_path, change, words):
    cfg = alternating(tmp_path, 1)
    plan = cfg.train_dataloader.sampler.plan
    if 'step_after' in change:
        cfg.train_cfg.step_after = change['step_after']
    elif 'plan' in change:
        cfg.train_dataloader.sampler.plan = dict(type=change['plan'])
    elif 'accumulative_counts' in change:
        cfg.optim_wrapper.update(change)
    else:
        plan.update(change)
    with pytest.raises(ValueError, match=words):
        Runner.from_cfg(cfg).train()


def test_entries_are_in_the_order_that_the_tests_assume():
    assert [entry['name'] for entry in ENTRIES] == ['city', 'asia']
