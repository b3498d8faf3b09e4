"""Adding datasets to a trained model, and removing them."""

import pytest
import torch
from mmengine.config import Config

from mmseg_multids.apis import grow as module
from mmseg_multids.apis.grow import ALL_ROWS, KEPT, grow
from mmseg_multids.apis.trained import load_trained, logits_of_noise
from mmseg_multids.datasets import MultiDataset
from mmseg_multids.label_spaces import LabelSpace, UnifiedLabelSpace
from mmseg_multids.models.layers import dsbn_layers

from ..test_models.toy import DATASETS, batch
from .test_export import BN, DS, FCN2, aux, save, several_nodes

THREE = {'name': 'three', 'type': 'BaseSegDataset',
         'metainfo': {'classes': ('boat', 'Road', 'bush', 'person')}}
VILLAGE = {'name': 'village', 'type': 'ToyWorldDataset', 'view': 'village',
           'splits': {'train': {'split': 'train', 'size': 6}}}
LOADER = {'batch_size': 2, 'sampler': {'type': 'MultiDatasetSampler', 'plan': {'type': 'mixed'}},
          'dataset': {'type': 'MultiDataset', 'split': 'train',
                      'pipeline': [{'type': 'RenderToyWorld'}, {'type': 'PackSegInputs'}]}}
NORMS = {'dsbn': DS, 'affine': {**DS, 'share': 'affine'}, 'cumulative': {**DS, 'momentum': None},
         'statistics': {**DS, 'share': 'statistics'}, 'bn': BN}


def toy(folder, norm='dsbn', datasets=DATASETS, **changes):
    """Config and checkpoint of a model of some datasets, with an auxiliary head."""
    return save(folder, FCN2, NORMS[norm], datasets=list(datasets),
                auxiliary_head=aux(NORMS[norm]), **changes)


def mix(config, datasets, **changes):
    """The config with other datasets."""
    cfg = Config.fromfile(config)
    cfg.model.datasets = list(datasets)
    cfg.model.update(changes)
    cfg.train_dataloader = {**LOADER, 'dataset': {**LOADER['dataset'], 'datasets': list(datasets)}}
    return cfg


def test_class_relations_of_the_old_mix_are_left_behind(tmp_path):
    """They are of the whole label space; until new ones are gathered the loss is Null BCE."""
    config, checkpoint = toy(tmp_path, 'bn', label_space={'type': 'by_name'},
                             decode_head={'type': 'UniSegHead', 'head': FCN2,
                                          'loss_decode': {'type': 'ClassRelationalBCELoss'}})
    done = grow(mix(config, [*DATASETS, THREE]), checkpoint, tmp_path / 'more.pth')
    loss = load_trained(done.checkpoint).model.decode_head.loss_decode[0]
    assert loss.table_one.shape[1] == loss.table_three.shape[1] == 7
    assert (loss.table_one == 1).sum() == 3
    less = grow(mix(config, DATASETS[:1]), checkpoint, tmp_path / 'less.pth')
    assert not hasattr(load_trained(less.checkpoint).model.decode_head.loss_decode[0], 'table_two')


@pytest.mark.parametrize(('space', 'norm'), [
    ('disjoint', 'dsbn'), ('by_name', 'dsbn'), ('by_name', 'affine'), ('disjoint', 'statistics'),
    ('by_name', 'bn'), ('disjoint', 'cumulative')])
def test_the_other_datasets_predict_what_they_did(tmp_path, space, norm):
    config, checkpoint = toy(tmp_path, norm, label_space={'type': space})
    before = load_trained(checkpoint).model
    # In another order as well; the first, so that every row moves.
    done = grow(mix(config, [THREE, DATASETS[1], DATASETS[0]]), checkpoint, tmp_path / 'more.pth',
                init='two')
    more = load_trained(done.checkpoint).model
    assert more.label_space.datasets == ('three', 'two', 'one')
    assert (done.kept, done.removed, list(done.added)) == (['two', 'one'], [], ['three'])
    # ... and one of them goes, another way round, while the new one stays.
    less = load_trained(grow(mix(config, [DATASETS[1], THREE]), done.checkpoint,
                             tmp_path / 'less.pth').checkpoint).model
    for name in ('one', 'two', 'three'):
        expected = logits_of_noise(more if name == 'three' else before, dataset=name, target=name)
        assert expected.std() > 0.1
        for model in (more, less):
            if name in model.label_space.datasets:
                assert torch.equal(logits_of_noise(model, dataset=name, target=name), expected)
    # Once the new one is removed again, the model is the one that it was.
    back = load_trained(grow(mix(config, DATASETS), done.checkpoint,
                             tmp_path / 'back.pth').checkpoint).model.state_dict()
    assert back.keys() == before.state_dict().keys()
    assert all(torch.equal(back[key], value) for key, value in before.state_dict().items())


def test_the_rows_of_a_new_dataset(tmp_path):
    config, checkpoint = toy(tmp_path)
    old = load_trained(checkpoint).model
    with torch.no_grad():
        old.backbone.bn1.num_batches_tracked.copy_(torch.tensor([4, 7]))
    torch.save({'meta': torch.load(checkpoint)['meta'], 'state_dict': old.state_dict()}, checkpoint)
    weight, bias = old.decode_head.classifier.weight, old.decode_head.classifier.bias
    cfg = mix(config, [*DATASETS, THREE])
    # disjoint: rows 0 to 2 are road, sky, car of `one`, 3 to 6 sky, tree, road, person of `two`
    expected = {'two': [None, 5, None, 6], 'one': [None, 0, None, 6],
                'mean': [None, (0, 5), None, 6]}
    for init, rows in expected.items():
        done = grow(cfg, checkpoint, tmp_path / 'out.pth', init=init, force=True)
        model = load_trained(done.checkpoint).model
        for old_rows, new_rows in ((weight, model.decode_head.classifier.weight),
                                   (bias, model.decode_head.classifier.bias)):
            assert torch.equal(new_rows[:7], old_rows)
            for row, new_row in zip(rows, new_rows[7:]):
                want = old_rows.mean(dim=0) if row is None else \
                    (old_rows[row[0]] + old_rows[row[1]]) / 2 if isinstance(row, tuple) \
                    else old_rows[row]
                torch.testing.assert_close(new_row, want)
        for name, layer in dsbn_layers(model).items():
            before = dsbn_layers(old)[name]
            for key, value in before.plain_state(init).items():
                row = getattr(layer, key)
                assert torch.equal(row[:2], getattr(before, key))
                assert torch.equal(row[2], torch.zeros_like(value) if key.startswith('num')
                                   else value)
        added = done.added['three']
        assert (added.source, added.distances) == (init, {})
        assert added.classes['bush'] == ALL_ROWS and added.classes['person'] == 'two'
    assert added.classes['Road'] == 'the mean of one, two'
    # It is a model to go on with.
    losses = model.train()(**model.data_preprocessor(batch(['two', 'two']), True), mode='loss')
    model.parse_losses(losses)[0].backward()


def test_shared_nodes_and_aliases(tmp_path):
    config, checkpoint = toy(tmp_path, 'bn', label_space={'type': 'by_name'})
    done = grow(mix(config, [*DATASETS, THREE], label_space={
        'type': 'by_name', 'aliases': [['bush', 'tree']], 'keep_apart': [['two/tree']]}),
        checkpoint, tmp_path / 'out.pth')
    assert not done.has_dataset_norms
    assert done.added['three'].classes == {'boat': ALL_ROWS, 'Road': KEPT, 'bush': 'two',
                                           'person': KEPT}
    model, old = load_trained(done.checkpoint).model, load_trained(checkpoint).model
    row = model.label_space.node_of_class('three')[2]
    tree = old.label_space.node_of_class('two')[1]
    assert torch.equal(model.decode_head.classifier.weight[row],
                       old.decode_head.classifier.weight[tree])


def test_classes_of_several_nodes(tmp_path):
    """`sky` of `one` has two nodes; a new class of the name begins with their sum."""
    space = several_nodes(tmp_path / 'space.json')
    config, checkpoint = toy(tmp_path, label_space=space)
    spaces = [LabelSpace(d['name'], d['metainfo']['classes']) for d in DATASETS]
    spaces.append(LabelSpace('four', ['sky', 'boat']))
    UnifiedLabelSpace(
        ['person', 'road', 'sky', 'tree', 'car', 'four/sky', 'four/cloud', 'boat'], spaces,
        {'one': [-1, 0, 1, 1, 2, -1, -1, -1], 'two': [3, 2, 0, 1, -1, -1, -1, -1],
         'four': [-1, -1, -1, -1, -1, 0, 0, 1]}).to_json(tmp_path / 'more.json')
    four = {**THREE, 'name': 'four', 'metainfo': {'classes': ('sky', 'boat')}}
    done = grow(mix(config, [*DATASETS, four], label_space={
        'type': 'file', 'path': str(tmp_path / 'more.json')}), checkpoint, tmp_path / 'out.pth',
        init='one')
    old, new = load_trained(checkpoint).model, load_trained(done.checkpoint).model
    logits = logits_of_noise(new, dataset='one', target='four')[:, 0]
    torch.testing.assert_close(logits, logits_of_noise(old, dataset='one', target='one')[:, 1])


def test_the_nearest_dataset_is_chosen_by_its_statistics(tmp_path):
    config, checkpoint = toy(tmp_path)
    cfg = mix(config, [*DATASETS, VILLAGE])
    old = load_trained(checkpoint).model
    data = MultiDataset([VILLAGE], split='train', pipeline=LOADER['dataset']['pipeline'])
    images = torch.stack([data[i]['inputs'] for i in range(6)])
    images = old.data_preprocessor({'inputs': list(images)})['inputs']
    for layer in dsbn_layers(old).values():
        layer.momentum = 0.9
    old.train()
    for _ in range(3):  # `two` has seen the village
        with torch.no_grad(), old.context.batch(['two'] * 6):
            old.extract_feat(images)
    torch.save({'meta': torch.load(checkpoint)['meta'], 'state_dict': old.state_dict()}, checkpoint)
    added = grow(cfg, checkpoint, tmp_path / 'out.pth', batches=3).added['village']
    assert added.source == 'two' and added.classes['sky'] == 'two' and added.classes['car'] == 'one'
    # Independently: each image with each dataset's statistics, in the old model.
    old = load_trained(checkpoint).model
    for name in ('one', 'two'):
        old.context.distances = []
        with torch.no_grad(), old.context.batch([name] * 6):
            old.extract_feat(images)
        expected = float(torch.stack(old.context.distances).mean())
        assert added.distances[name] == pytest.approx(expected, rel=1e-4)


# ------------------------------------------------------------------ refusals


@pytest.fixture(scope='module')
def shared(tmp_path_factory):
    return toy(tmp_path_factory.mktemp('toy'))


@pytest.mark.parametrize(('datasets', 'options', 'words'), [
    (DATASETS, {}, 'nothing to add or remove: .*same datasets .one, two.'),
    (DATASETS[::-1], {}, 'nothing to add or remove'),
    ([THREE], {}, 'none of the datasets of the checkpoint .one, two.*finetune_from'),
    ([{**DATASETS[0], 'metainfo': {'classes': ('road', 'sky', 'bus')}}, DATASETS[1], THREE], {},
     '(?s)one: classes missing: car.*one: classes added: bus'),
    ([*DATASETS, THREE], {'init': 'moon'}, "init='moon': allowed are nearest, mean, one, two"),
    ([*DATASETS, THREE], {'init': 'three'}, "init='three': allowed are nearest, mean, one, two"),
    ([*DATASETS, THREE], {'batches': 0}, 'batches=0: at least 1'),
])
def test_what_is_refused(shared, tmp_path, datasets, options, words):
    with pytest.raises(ValueError, match=words):
        grow(mix(shared[0], datasets), shared[1], tmp_path / 'out.pth', **options)
    assert list(tmp_path.iterdir()) == []


def test_nearest_needs_images_and_statistics(shared, tmp_path):
    cfg = mix(shared[0], [*DATASETS, THREE])
    cfg.train_dataloader.dataset.datasets = list(DATASETS)
    with pytest.raises(ValueError, match='images of three, which .* does not name in train_'):
        grow(cfg, shared[1], tmp_path / 'out.pth')
    config, checkpoint = toy(tmp_path / 'bn', 'bn')
    with pytest.raises(ValueError, match="neck have none per dataset; choose 'mean' or a dataset"):
        grow(mix(config, [*DATASETS, THREE]), checkpoint, tmp_path / 'out.pth', init='nearest')


def test_files_that_exist_and_files_that_do_not(shared, tmp_path):
    out = tmp_path / 'out.pth'
    out.write_text('precious')
    with pytest.raises(FileExistsError, match='out.pth exists already; .*--force'):
        grow(mix(shared[0], DATASETS[:1]), shared[1], out)
    assert out.read_text() == 'precious'
    with pytest.raises(FileNotFoundError, match='nothing.pth does not exist'):
        grow(mix(shared[0], DATASETS[:1]), 'nothing.pth', tmp_path / 'x.pth')
    state = torch.load(shared[1])['state_dict']
    torch.save({'meta': {}, 'state_dict': state}, tmp_path / 'bare.pth')
    with pytest.raises(ValueError, match='does not hold its config.*--trained-config FILE'):
        grow(mix(shared[0], DATASETS[:1]), tmp_path / 'bare.pth', tmp_path / 'x.pth')
    done = grow(mix(shared[0], DATASETS[:1]), tmp_path / 'bare.pth', out, force=True,
                trained_config=shared[0])
    stored = torch.load(out, weights_only=True)
    assert done.removed == ['two'] and set(stored) == {'meta', 'state_dict'}
    assert list(stored['meta']['dataset_meta']['datasets']) == ['one']
    assert sorted(p.name for p in tmp_path.iterdir()) == ['bare.pth', 'out.pth']


def test_another_network_is_refused(shared, tmp_path):
    less = DATASETS[:1]
    other = toy(tmp_path / 'other', 'affine')[0]
    with pytest.raises(ValueError, match='batch norm backbone.bn1 shares other things'):
        grow(mix(other, less), shared[1], tmp_path / 'x.pth')
    plain = toy(tmp_path / 'plain', 'bn')[1]
    with pytest.raises(ValueError, match='makes the batch norm backbone.bn1 dataset-specific'):
        grow(mix(shared[0], less), plain, tmp_path / 'x.pth')
    cfg = mix(shared[0], less)
    cfg.model.decode_head.head.channels = 4
    with pytest.raises(ValueError, match='(?s)do not fit the network of config .*'
                                         'tensor.s. of other shapes'):
        grow(cfg, shared[1], tmp_path / 'x.pth')
    cfg = mix(shared[0], less)
    cfg.model.backbone.strides = (1, 2, 1, 1)  # the same weights, another network
    with pytest.raises(RuntimeError, match='one would not predict what it did'):
        grow(cfg, shared[1], tmp_path / 'x.pth')
    assert not (tmp_path / 'x.pth').exists()


def test_half_a_file_is_not_left(shared, tmp_path, monkeypatch):
    def fail(content, file):
        file.write_text('half')
        raise OSError('disk full')

    monkeypatch.setattr(module.torch, 'save', fail)
    with pytest.raises(OSError, match='disk full'):
        grow(mix(shared[0], DATASETS[:1]), shared[1], tmp_path / 'out.pth')
    assert list(tmp_path.iterdir()) == []
