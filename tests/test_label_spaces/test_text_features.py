import json

import numpy as np
import pytest

from mmseg_multids.label_spaces import LabelSpace, build_label_space
from mmseg_multids.label_spaces.text_clusters import text_clusters
from mmseg_multids.label_spaces.text_features import (
    ENCODERS,
    HashingEncoder,
    cached_features,
    class_features,
    read_descriptions,
    save_features,
    text_similarities,
    texts_of,
)

SPACE = LabelSpace('city', ['road', 'rider'])


def test_the_template_is_the_papers():
    texts, missing = texts_of(SPACE, None)
    assert texts[0] == 'An image of road from the dataset city.' and missing == ['road', 'rider']
    texts, missing = texts_of(SPACE, {'rider': 'A person on a bicycle.'})
    assert texts[1].endswith('dataset city. A person on a bicycle.') and missing == ['road']
    with pytest.raises(ValueError, match="city has no class 'moon', which is described"):
        texts_of(SPACE, {'moon': 'Far.'})


def test_hashing_is_deterministic_and_near_for_shared_words():
    encoder = HashingEncoder(256)
    a, b, c, d = encoder(['traffic light', 'traffic lights', 'horse', 'Traffic LIGHT'])
    assert np.linalg.norm(a) == pytest.approx(1) and a.dtype == np.float32
    assert np.array_equal(a, d) and a @ b > 0.5 > abs(a @ c)
    # The same numbers on every machine.
    assert encoder(['road'])[0].nonzero()[0].tolist() == HashingEncoder(256)(
        ['road'])[0].nonzero()[0].tolist()
    assert not HashingEncoder(8)(['']).any()


def test_features_are_kept_with_what_they_were_made_from(tmp_path):
    class Counting(HashingEncoder):
        calls = 0

        def __call__(self, texts):
            Counting.calls += 1
            return super().__call__(texts)

    first = cached_features(['a', 'b'], Counting(16), tmp_path)
    again = cached_features(['a', 'b'], Counting(16), tmp_path)
    assert np.array_equal(first, again) and Counting.calls == 1
    cached_features(['a', 'c'], Counting(16), tmp_path)
    cached_features(['a', 'b'], Counting(32), tmp_path)
    assert Counting.calls == 3
    with pytest.raises(ValueError, match=r'shape \(1, 2\) of 2 texts'):
        cached_features(['a', 'b'], lambda texts: np.ones((1, 2)))
    with pytest.raises(ValueError, match='finite'):
        cached_features(['a'], lambda texts: np.full((1, 2), np.nan))


def test_what_all_texts_share_makes_them_no_more_alike():
    rng = np.random.default_rng(0)
    own = rng.normal(size=(6, 8))
    found = text_similarities(own)
    centred = own - own.mean(0)
    for i in range(6):
        for j in range(6):
            cosine = centred[i] @ centred[j] / np.linalg.norm(centred[i]) / np.linalg.norm(
                centred[j])
            assert found[i, j] == pytest.approx(cosine)
    np.testing.assert_allclose(text_similarities(own + 100), found, atol=1e-9)
    assert not text_similarities(np.ones((3, 4))).any()


def test_language_models_features_are_kept_by_default(tmp_path, monkeypatch):
    class Model(HashingEncoder):
        calls = 0

        def __call__(self, texts):
            Model.calls += 1
            return super().__call__(texts)

    monkeypatch.setitem(ENCODERS, 'model', Model)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'caches'))
    first = class_features([SPACE], 'model')
    assert np.array_equal(class_features([SPACE], 'model'), first) and Model.calls == 1
    class_features([SPACE], 'hashing')
    assert len(list((tmp_path / 'caches' / 'mmseg_multids').iterdir())) == 1


def test_bad_files_are_refused(tmp_path):
    file = tmp_path / 'd.json'
    file.write_text(json.dumps({'dataset': 'city', 'classes': {'road': ''}}))
    with pytest.raises(ValueError, match='d.json: classes is'):
        read_descriptions(file)
    file.write_text(json.dumps({'dataset': 'city', 'classes': {'road': 'Asphalt.'}}))
    assert read_descriptions(file) == {'road': 'Asphalt.'}
    with pytest.raises(FileNotFoundError, match='nothing.json'):
        read_descriptions('nothing.json')


def test_features_of_datasets_come_from_descriptions_or_names(tmp_path, caplog):
    spaces = [LabelSpace('other', ['road', 'rider']), LabelSpace('new', ['road'])]
    (tmp_path / 'new.json').write_text(json.dumps(
        {'dataset': 'new', 'classes': {'road': 'The surface that vehicles drive on.'}}))
    found = class_features(spaces, {'type': 'hashing', 'dimensions': 64},
                           {'new': str(tmp_path / 'new.json')})
    assert found.shape == (3, 64)
    assert '2 of 3 classes have no description but "An image of ..." alone: other/road' \
        in caplog.text
    names = class_features(spaces, {'type': 'hashing', 'dimensions': 64}, descriptions=False)
    assert np.array_equal(names[:2], found[:2]) and not np.array_equal(names[2], found[2])
    with pytest.raises(ValueError, match="text encoder 'llama' is not known; allowed: hashing"):
        class_features(spaces, 'llama')


def test_a_dataset_with_other_classes_than_described_takes_what_fits():
    found = class_features([LabelSpace('cityscapes', ['road', 'spaceship'])])
    assert found.shape == (2, 512)


def test_a_file_of_features_is_read_by_the_names_of_classes(tmp_path):
    spaces = [LabelSpace('a', ['x', 'y']), LabelSpace('b', ['z'])]
    features = np.arange(6.0).reshape(3, 2)
    save_features(tmp_path / 'f.npz', spaces, features)
    assert np.array_equal(class_features(spaces[::-1], features=tmp_path / 'f.npz'),
                          features[[2, 0, 1]])
    with pytest.raises(ValueError, match=r'f\.npz has no features for 1 class.es., such as b/w'):
        class_features([LabelSpace('b', ['z', 'w'])], features=tmp_path / 'f.npz')
    with pytest.raises(FileNotFoundError):
        class_features(spaces, features=tmp_path / 'none.npz')
    (tmp_path / 'bad.npz').write_text('no archive')
    with pytest.raises(ValueError, match=r'bad\.npz is no file of text features'):
        class_features(spaces, features=tmp_path / 'bad.npz')
    with pytest.raises(ValueError, match=r'finite ones of shape \[3, F\]'):
        save_features(tmp_path / 'g.npz', spaces, features[:2])


def test_clusters_of_texts_hold_one_class_of_a_dataset():
    angles = np.deg2rad([0, 10, 20, 90, 4])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    dataset_of = np.array([0, 0, 1, 1, 2])
    # 0, 1, 2 and 4 are one chain; it holds two classes of dataset 0. (0, 4) is the nearest pair,
    # so (1, 4), the next one, is left out.
    found = text_clusters(features, dataset_of, np.cos(np.deg2rad(12)))
    assert found == [(0, 4), (1, 2), (3,)]
    assert text_clusters(features, dataset_of, 1.0) == [(i,) for i in range(5)]
    with pytest.raises(ValueError, match='similarity=2'):
        text_clusters(features, dataset_of, 2)


def test_a_label_space_by_text():
    spaces = [LabelSpace('city', ['road', 'rider']), LabelSpace('town', ['Road', 'sky'])]
    space = build_label_space({'type': 'by_text', 'similarity': 0.5, 'descriptions': False}, spaces)
    assert space.class_of_node('town')[space.node_of_class('city')[0]] == 0
    with pytest.raises(ValueError, match="has no argument 'eps'; allowed: similarity, encoder"):
        build_label_space({'type': 'by_text', 'eps': 0.5}, spaces)
