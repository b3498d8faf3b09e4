"""Texts through language models: tiny ones with random weights, which need no download."""

import sys

import numpy as np
import pytest

from mmseg_multids.label_spaces import LabelSpace
from mmseg_multids.label_spaces.text_features import (
    ENCODERS,
    SentenceTransformersEncoder,
    TransformersEncoder,
    class_features,
    texts_of,
)

torch = pytest.importorskip('torch')
transformers = pytest.importorskip('transformers')
tokenizers = pytest.importorskip('tokenizers')

SPACE = LabelSpace('city', ['road', 'traffic light', 'rider'])
TEXTS = texts_of(SPACE, {'rider': 'A person on a bicycle, without the bicycle.'})[0]


def save_tokenizer(folder, **special):
    """Write a tokenizer that knows the words of the texts."""
    words = sorted({word for text in TEXTS for word in text.replace('.', ' ').split()})
    vocabulary = {word: i for i, word in enumerate(['[PAD]', '[UNK]', '</s>', *words])}
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token='[UNK]'))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=model, unk_token='[UNK]',
                                         **special).save_pretrained(folder)
    return len(vocabulary)


@pytest.fixture
def bert(tmp_path):
    size = save_tokenizer(tmp_path / 'bert', pad_token='[PAD]')
    torch.manual_seed(0)
    transformers.BertModel(transformers.BertConfig(
        vocab_size=size, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32)).save_pretrained(tmp_path / 'bert')
    return str(tmp_path / 'bert')


@pytest.fixture
def llama(tmp_path):
    """As Llama 2: no token to pad with."""
    size = save_tokenizer(tmp_path / 'llama', eos_token='</s>')
    torch.manual_seed(0)
    transformers.LlamaModel(transformers.LlamaConfig(
        vocab_size=size, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32)).save_pretrained(tmp_path / 'llama')
    return str(tmp_path / 'llama')


@pytest.mark.parametrize('kind', ['bert', 'llama'])
def test_features_are_the_mean_over_tokens_that_are_not_padding(request, kind):
    path = request.getfixturevalue(kind)
    model = transformers.AutoModel.from_pretrained(path).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    found = TransformersEncoder(path, batch_size=2)(TEXTS)
    assert found.shape == (3, 16) and found.dtype == np.float32
    lengths = set()
    for text, row in zip(TEXTS, found):  # one by one there is nothing to pad
        tokens = tokenizer(text, return_tensors='pt')
        lengths.add(tokens['input_ids'].shape[1])
        with torch.no_grad():
            hidden = model(**tokens).last_hidden_state[0]
        total = sum(hidden[i] for i in range(len(hidden)))
        np.testing.assert_allclose(row, (total / len(hidden)).numpy(), rtol=1e-4, atol=1e-5)
    assert len(lengths) > 1


def test_sentence_transformers_read_a_folder(bert):
    pytest.importorskip('sentence_transformers')
    found = SentenceTransformersEncoder(bert)(TEXTS)
    np.testing.assert_allclose(found, TransformersEncoder(bert)(TEXTS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('kind', sorted(set(ENCODERS) - {'hashing'}))
def test_a_folder_that_is_not_there_is_named(tmp_path, kind):
    with pytest.raises(FileNotFoundError, match='(?s)no language model.*nowhere.*save_features'):
        class_features([SPACE], {'type': kind, 'path': str(tmp_path / 'nowhere')}, cache=tmp_path)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    (tmp_path / 'model').mkdir()
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(ImportError, match=r"pip install 'mmseg_multids\[text\]'"):
        class_features([SPACE], {'type': 'transformers', 'path': str(tmp_path / 'model')},
                       cache=tmp_path)


def test_features_are_read_the_second_time(bert, tmp_path, monkeypatch):
    encoder = {'type': 'transformers', 'path': bert}
    first = class_features([SPACE], encoder, cache=tmp_path)
    monkeypatch.setattr(TransformersEncoder, '__call__', None)
    assert np.array_equal(class_features([SPACE], encoder, cache=tmp_path), first)
