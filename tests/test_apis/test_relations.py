"""Gathering class relations against loops over pixels."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmseg_multids.apis.relations import (
    gather_head_relations,
    gather_relations,
)
from mmseg_multids.apis.whole_images import training_images
from mmseg_multids.label_spaces import UnifiedLabelSpace, unify_by_name
from mmseg_multids.registry import MODELS

from ..conftest import ROOT

PIPELINE = [{'type': 'RenderToyWorld'}, {'type': 'PackSegInputs'}]


def setup(kind: str, classifier: str = 'CosineNodeClassifier'):
    """A random model of two views, and 3 and 2 training images."""
    cfg = Config.fromfile(ROOT / 'configs' / 'uniseg' / f'uniseg_toyworld4_{kind}.py')
    entries = [e for e in cfg.datasets if e['name'] in ('asia', 'atlas')]
    for entry, size in zip(entries, (3, 2)):
        entry['image_size'] = (32, 48)
        entry['splits']['train']['size'] = size
    cfg.model.datasets = cfg.train_dataloader.dataset.datasets = entries
    cfg.model.decode_head.head.channels = 8
    cfg.model.decode_head.classifier = {'type': classifier}
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    model.train()  # gathering must neither use nor leave that
    for parameter in model.decode_head.classifier.parameters():
        torch.nn.init.normal_(parameter, std=2.0)
    return model, training_images(cfg), cfg


def embeddings(model, images):
    """Dataset, embedding [1, D, h, w] and labels [H, W] of each image."""
    for i in range(len(images)):
        data = model.data_preprocessor(pseudo_collate([images[i]]), True)
        sample = data['data_samples'][0]
        dataset = sample.metainfo['dataset']
        with model.context.batch([dataset]):
            yield (dataset, model.decode_head.head(model.extract_feat(data['inputs'])),
                   sample.gt_sem_seg.data[0])


@torch.no_grad()
def loop(model, images, similarity) -> dict:
    """Eq. (7): mean over the pixels of each class."""
    space = model.label_space
    sums = {d: np.zeros((space.space(d).num_classes, space.num_nodes)) for d in space.datasets}
    counts = {d: np.zeros(space.space(d).num_classes) for d in space.datasets}
    model.eval()
    for dataset, embedding, labels in embeddings(model, images):
        maps = F.interpolate(similarity(embedding), size=labels.shape, mode='bilinear')[0]
        for y in range(labels.shape[0]):
            for x in range(labels.shape[1]):
                c = int(labels[y, x])
                if c != 255:
                    sums[dataset][c] += maps[:, y, x].numpy()
                    counts[dataset][c] += 1
    with np.errstate(invalid='ignore'):
        return {d: sums[d] / counts[d][:, None] for d in sums}


@pytest.mark.parametrize('kind', ['cosine', 'sigmoid'])
def test_similarities_equal_the_loop(kind):
    model, images, _ = setup('null')
    found = gather_relations(model, images, kind)
    assert model.training
    classifier = model.decode_head.classifier

    def similarity(embedding):
        if kind == 'sigmoid':
            return classifier(embedding).sigmoid()
        cosines = torch.zeros(1, len(classifier.weight), *embedding.shape[2:])
        for k, weight in enumerate(classifier.weight[:, :, 0, 0]):
            cosines[:, k] = F.cosine_similarity(embedding, weight[None, :, None, None], dim=1)
        return cosines
    expected = loop(model, images, similarity)
    for dataset, scores in found.scores.items():
        np.testing.assert_allclose(scores, expected[dataset], atol=2e-6)
        absent = found.counts[dataset] == 0
        assert np.isnan(scores[absent]).all() and not np.isnan(scores[~absent]).any()


def test_heads_are_asked_about_classes_that_they_lack():
    model, images, cfg = setup('multihead')
    spaces = list(model.label_space.spaces.values())
    target = unify_by_name(spaces, [['asia/traffic sign', 'atlas/Traffic Sign (Front)']])
    found = gather_head_relations(model, images, target)
    classifier, space = model.decode_head.classifier, model.label_space

    def probabilities(embedding):
        logits = classifier(embedding)
        parts = [logits[:, np.flatnonzero(space.class_of_node(d) >= 0)].softmax(1)
                 for d in space.datasets]
        return torch.cat(parts, dim=1)
    means = loop(model, images, probabilities)
    for dataset, head in (('asia', 'atlas'), ('atlas', 'asia')):
        offset = 0 if head == space.datasets[0] else space.space(space.datasets[0]).num_classes
        for c in range(space.space(dataset).num_classes):
            own = target.node_of_class(dataset)[c]
            for k in range(target.num_nodes):
                if k == own:
                    continue
                other = target.class_of_node(head)[k]
                asked = other >= 0 and target.class_of_node(head)[own] < 0
                expected = means[dataset][c, offset + other] if asked else 0.0
                got = found.scores[dataset][c, k]
                assert got == pytest.approx(expected, abs=2e-6, nan_ok=True) or (
                    np.isnan(means[dataset][c, 0]))
    assert found.tau == 0.5 and not found.above_own
    assert all(r.score > 0.5 for r in found.relations())


def test_images_are_whole_where_an_entry_has_its_own_pipeline():
    _, _, cfg = setup('null')
    for entry in cfg.train_dataloader.dataset.datasets:
        entry['pipeline'] = [{'type': 'RenderToyWorld'}, {'type': 'RandomFlip', 'prob': 1.0},
                             {'type': 'PackSegInputs'}]
    images = training_images(cfg)
    plain = training_images(setup('null')[2])
    assert torch.equal(images[0]['inputs'], plain[0]['inputs'])


def test_few_images_are_spread_over_the_dataset():
    model, images, _ = setup('null')
    found = gather_relations(model, images, max_images=2)
    used = [images[i]['data_samples'].gt_sem_seg.data for i in (0, 1)]  # 0 and 1 of 3
    expected = sum(np.bincount(u.flatten().numpy(), minlength=256) for u in used)
    assert found.counts['asia'].tolist() == expected[:len(found.counts['asia'])].tolist()


def test_what_does_not_fit_is_refused():
    model, images, cfg = setup('null', 'LinearNodeClassifier')
    with pytest.raises(TypeError, match="similarity='cosine' needs a CosineNodeClassifier"):
        gather_relations(model, images)
    with pytest.raises(ValueError, match="similarity='dot': allowed are cosine, sigmoid"):
        gather_relations(model, images, 'dot')
    with pytest.raises(ValueError, match="needs a model with a classifier for each dataset"):
        gather_head_relations(model, images, model.label_space)
    multihead, images, _ = setup('multihead')
    other = UnifiedLabelSpace.from_dict(unify_by_name(
        [multihead.label_space.space('asia')]).to_dict())
    with pytest.raises(ValueError, match='(?s)not those of the model.*atlas'):
        gather_head_relations(multihead, images, other)
    cfg.pop('val_dataloader')
    with pytest.raises(ValueError, match='needs train_dataloader.dataset and'):
        training_images(cfg)
