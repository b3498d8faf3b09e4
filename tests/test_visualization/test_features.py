"""Pixel features in the plane: scores, places, colours, the picture and the page."""

import json
import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from mmseg_multids.apis.pixel_features import PixelClass, PixelSample
from mmseg_multids.visualization.feature_page import write_feature_page
from mmseg_multids.visualization.features import (
    FeaturePanel,
    FeatureScores,
    check_perplexity,
    class_colours,
    draw_features,
    format_scores,
    make_panel,
    oklab,
    score_features,
    tsne,
    vote,
)

GREY = (128, 128, 128)


def a_sample(per_class=12, names=(('city', 'road'), ('city', 'car'), ('asia', 'Road'),
                                  ('asia', 'cow'))):
    classes = tuple(PixelClass(d, n, (30 * i, 200, 90)) for i, (d, n) in enumerate(names))
    datasets = tuple(dict.fromkeys(d for d, _ in names))
    ids = np.repeat(np.arange(len(classes)), per_class)
    images = np.array([10 * datasets.index(classes[c].dataset) for c in ids])
    images += np.tile(np.arange(per_class) % 4, len(classes))
    return PixelSample(datasets, classes, ids, images, np.stack([ids, images], 1),
                       {int(i): f'image {i}' for i in np.unique(images)}, {})


def clustered(sample, spread=0.05, seed=0, centres=None):
    """Features around a direction for each class; road is one direction for both datasets."""
    rng = np.random.default_rng(seed)
    centres = np.eye(6)[[0, 1, 0, 2]] if centres is None else centres
    features = centres[sample.class_ids] + spread * rng.standard_normal((len(sample.class_ids), 6))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


# ------------------------------------------------------------------------ scores


def slow_knn(features, sample, across, k=10):
    """One pixel after the other."""
    right = []
    names = [c.name.lower() for c in sample.classes]
    dataset = [c.dataset for c in sample.classes]
    for i in range(len(features)):
        own = sample.class_ids[i]
        candidates = []
        for j in range(len(features)):
            other = sample.class_ids[j]
            if across != (dataset[own] == dataset[other]) and sample.images[i] != sample.images[j]:
                candidates.append((-float(features[i] @ features[j]), j))
        labels = [names[sample.class_ids[j]] if across else sample.class_ids[j]
                  for _, j in sorted(candidates)[:k]]
        wanted = names[own] if across else own
        if across and not any(names[c] == wanted and dataset[c] != dataset[own]
                              for c in range(len(names))):
            continue
        # Most votes; of those the smallest sum of ranks.
        ranks = {x: [r for r, y in enumerate(labels) if x == y] for x in labels}
        right.append(min(ranks, key=lambda x: (-len(ranks[x]), sum(ranks[x]), x)) == wanted)
    return np.mean(right)


@pytest.mark.parametrize('spread', [0.05, 0.6, 3.0])
def test_scores_equal_the_loop(spread):
    sample = a_sample()
    features = clustered(sample, spread)
    scores = score_features(features, sample)
    assert list(scores) == [None, 'city', 'asia']
    assert scores[None].knn == pytest.approx(slow_knn(features, sample, False))
    assert scores[None].across == pytest.approx(slow_knn(features, sample, True))
    assert scores[None].chance == 0.5
    mean = np.mean([scores['city'].silhouette, scores['asia'].silhouette])
    assert scores[None].silhouette == pytest.approx(mean)
    if spread == 0.05:
        assert scores[None].knn == scores[None].across == 1 and scores[None].silhouette > 0.9
    if spread == 3.0:
        assert scores[None].knn < 0.8 and scores[None].silhouette < 0.3


def test_neighbours_of_the_same_image_do_not_count():
    """Each image has a direction of its own, whatever is seen: only same images look alike."""
    sample = a_sample(names=(('city', 'road'), ('city', 'car')))
    sample = sample._replace(images=sample.class_ids * 100 + np.arange(24) % 4)
    features = clustered(sample, 0.01, centres=np.eye(6)[[0, 0]])
    features += 5 * np.eye(6, dtype=np.float32)[1 + (sample.images % 100)]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    # An image has one class, and its double in the other class looks just like it.
    assert score_features(features, sample)[None].knn == 0


def test_scores_that_are_not_defined():
    sample = a_sample(names=(('city', 'road'), ('asia', 'cow'), ('asia', 'car')))
    scores = score_features(clustered(sample), sample)
    assert scores[None].across is None and scores['city'].silhouette is None
    assert scores['asia'].silhouette > 0.9 and scores['city'].chance == 1
    one_image = a_sample(names=(('city', 'road'), ('city', 'car')))
    one_image = one_image._replace(images=np.zeros(24, int))
    assert score_features(clustered(one_image), one_image)[None].knn == 0
    table = format_scores([FeaturePanel('a', None, scores[None], {'city': scores['city']})])
    assert re.search(r'\| a +\| city +\| +100.0 \| +100.0 \| +- \| +- \|', table)


def test_ties_go_to_the_nearer():
    similarity = np.array([[0.9, 0.8, 0.7, 0.6]])
    assert vote(similarity, np.ones((1, 4), bool), np.array([0, 0, 1, 1]), 4) == [0]
    assert vote(similarity, np.ones((1, 4), bool), np.array([0, 1, 1, 1]), 4) == [1]
    assert vote(similarity, np.ones((1, 4), bool), np.array([1, 0, 1, 0]), 4) == [1]
    assert vote(similarity, np.array([[False, True, True, True]]), np.array([1, 0, 1, 0]), 4) == [0]
    assert vote(similarity, np.zeros((1, 4), bool), np.array([1, 0, 1, 0]), 4) == [-1]


# ------------------------------------------------------------------------- places


def test_tsne_is_the_same_for_the_same_seed_and_keeps_clusters():
    sample = a_sample()
    features = clustered(sample)
    points = tsne(features, 8, seed=3)
    assert points.shape == (48, 2)
    np.testing.assert_array_equal(points, tsne(features, 8, seed=3))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    names = np.array([0, 1, 0, 2])[sample.class_ids]
    assert (names[distances.argmin(1)] == names).all()


def test_perplexity_needs_points():
    check_perplexity(30, 92)
    with pytest.raises(ValueError, match='perplexity=30 needs at least 92 points .* there are 91'):
        check_perplexity(30, 91)
    for wrong in (0, -1, float('nan')):
        with pytest.raises(ValueError, match='above 0'):
            check_perplexity(wrong, 1000)
    with pytest.raises(ValueError, match='perplexity of at most 15'):
        tsne(np.zeros((48, 3)), 20)


# ------------------------------------------------------------------------ colours


def test_oklab_of_known_colours():
    """White, black and red, as published with the colour space."""
    np.testing.assert_allclose(oklab(np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0]])),
                               [[1, 0, 0], [0, 0, 0], [0.628, 0.2249, 0.1258]], atol=1e-3)


def colours_of(*given):
    return class_colours([PixelClass(d, n, c) for d, n, c in given])


def test_colours_differ_but_for_namesakes():
    colours = colours_of(*(('city', f'class {i}', GREY) for i in range(20)),
                         ('asia', 'Class_3', (255, 0, 0)))
    assert colours[20] == colours[3] and len(set(colours)) == 20
    rgb = np.array([[int(c[i:i + 2], 16) for i in (1, 3, 5)] for c in colours[:20]])
    lab = oklab(rgb)
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=2)[np.triu_indices(20, 1)]
    assert distances.min() > 0.07  # 0.02 is just noticeable
    assert 0.45 < lab[:, 0].min() and lab[:, 0].max() < 0.8  # on white and on black


def test_colours_stay_near_the_palette():
    red, green, blue = colours_of(('a', 'x', (220, 20, 60)), ('a', 'y', (0, 160, 40)),
                                  ('a', 'z', (10, 30, 200)))
    for colour, channel in ((red, 0), (green, 1), (blue, 2)):
        rgb = [int(colour[i:i + 2], 16) for i in (1, 3, 5)]
        assert int(np.argmax(rgb)) == channel


# ------------------------------------------------------------------------ drawing


def two_panels(sample):
    return [make_panel(label, clustered(sample, spread, i), sample, 8)
            for i, (label, spread) in enumerate((('one <b>&', 0.05), ('tw$o_$', 2.0)))]


def test_the_picture_shows_every_class(tmp_path):
    sample = a_sample()
    panels = two_panels(sample)
    draw_features(panels, sample, tmp_path / 'a.png', 'caption')
    pixels = np.asarray(Image.open(tmp_path / 'a.png').convert('RGB')).reshape(-1, 3)
    colours = {tuple(int(c[i:i + 2], 16) for i in (1, 3, 5))
               for c in class_colours(sample.classes)}
    assert len(colours) == 3 and all((pixels == colour).all(1).sum() > 20 for colour in colours)
    draw_features(panels, sample, tmp_path / 'a.svg', 'caption')
    text = (tmp_path / 'a.svg').read_text()
    for part in ('one &lt;b&gt;&amp;', 'city', 'Road', 'cow', 'caption', str(panels[1].scores)):
        assert f'<!-- {part}' in text or part in text
    with pytest.raises(ValueError, match='a.doc: figures are written as .png'):
        draw_features(panels, sample, tmp_path / 'a.doc')


class Page(HTMLParser):
    """Elements, their attributes, and the text in scripts and elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], Counter(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        self.open.pop()
        while self.open and self.open[-1] in ('meta',):
            self.open.pop()

    def handle_data(self, data):
        self.texts[self.open[-1] if self.open else '', data] += 1

    def of(self, tag):
        return [text for name, text in self.texts if name == tag]


def test_the_page_refers_to_nothing_outside(tmp_path):
    sample = a_sample()
    write_feature_page(two_panels(sample), sample, tmp_path / 'a.html')
    text = (tmp_path / 'a.html').read_text()
    assert not re.search(r'https?:|//[a-z]|url\(|\bimport\b|fetch\(|XMLHttp|WebSocket', text)
    page = Page(text)
    assert not {'link', 'img', 'iframe', 'base', 'object'} & {tag for tag, _ in page.elements}
    for _, attributes in page.elements:
        assert not {'src', 'href', 'srcset', 'action', 'data'} & set(attributes)
    policy, = (a['content'] for t, a in page.elements
               if t == 'meta' and a.get('http-equiv') == 'Content-Security-Policy')
    assert "default-src 'none'" in policy and not re.search('[*]|https?|data:', policy)


def test_the_page_holds_the_points_and_names(tmp_path):
    sample = a_sample()
    panels = two_panels(sample)
    write_feature_page(panels, sample, tmp_path / 'a.html', 'A & B', 'caption')
    page = Page((tmp_path / 'a.html').read_text())
    data = json.loads(next(t for t in page.of('script') if t.startswith('{')))
    assert [c['name'] for c in data['classes']] == ['road', 'car', 'Road', 'cow']
    assert [d['name'] for d in data['datasets']] == ['city', 'asia']
    assert data['datasets'][0]['marker'] != data['datasets'][1]['marker']
    for i in range(48):
        assert data['images'][data['ofImage'][i]] == f'image {sample.images[i]}'
        assert data['ofClass'][i] == sample.class_ids[i]
    for panel, stored in zip(panels, data['panels']):
        points = np.array(stored['points'])
        assert np.abs(points).max() == pytest.approx(1)
        ratio = np.ptp(points, axis=0) / np.ptp(panel.points, axis=0)
        assert ratio[0] == pytest.approx(ratio[1], rel=1e-3)
    assert 'A & B' in page.of('h1') and 'one <b>&' in page.of('strong')
    assert sum(tag == 'canvas' for tag, _ in page.elements) == 2


def test_names_cannot_break_the_page(tmp_path):
    evil = '</script><script>alert(1)</script>@STYLE@<!--"\''
    sample = a_sample(names=(('city', evil), ('city', 'car')))
    sample = sample._replace(image_names=dict.fromkeys(sample.image_names, evil))
    score = FeatureScores(1.0, None, None, 0.5)
    panel = FeaturePanel(evil, np.random.default_rng(0).random((24, 2)), score, {'city': score})
    write_feature_page([panel], sample, tmp_path / 'a.html', evil, evil)
    page = Page((tmp_path / 'a.html').read_text())
    assert sum(tag == 'script' for tag, _ in page.elements) == 2
    assert sum(tag == 'style' for tag, _ in page.elements) == 1
    data = json.loads(next(t for t in page.of('script') if t.startswith('{')))
    assert data['classes'][0]['name'] == evil == data['images'][0] == data['panels'][0]['label']
    assert evil in page.of('strong') and evil in page.of('h1')
