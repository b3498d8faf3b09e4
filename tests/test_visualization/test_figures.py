import pytest
from matplotlib.figure import Figure

from mmseg_multids.visualization.figures import labels_of_runs, save_figure, split_label


@pytest.mark.parametrize(('text', 'expected'), [
    ('run.pth', (None, 'run.pth')),
    ('a run=folder/run.pth', ('a run', 'folder/run.pth')),
    ('x=lr=0.1/run.pth', ('x', 'lr=0.1/run.pth')),
])
def test_labels_stand_before_the_first_equals_sign(text, expected):
    assert split_label(text) == expected


def test_a_file_whose_name_has_an_equals_sign_needs_no_label(tmp_path):
    path = tmp_path / 'lr=0.1'
    path.write_text('')
    assert split_label(str(path)) == (None, str(path))


@pytest.mark.parametrize('text', ['=run.pth', 'label='])
def test_half_a_run_is_refused(text):
    with pytest.raises(ValueError, match=f"'{text}': expected LABEL=PATH or PATH"):
        split_label(text)


@pytest.mark.parametrize('suffix', ['png', 'pdf', 'svg'])
def test_figures_replace_a_file_only_when_they_are_complete(tmp_path, suffix):
    path = tmp_path / 'new' / f'figure.{suffix}'
    save_figure(Figure(figsize=(1, 1)), path)
    assert path.stat().st_size > 0
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r'figure.doc: .*\.png, \.pdf, \.svg'):
        save_figure(Figure(), tmp_path / 'figure.doc')


def test_runs_are_named_by_label_folder_or_file(tmp_path):
    folder = tmp_path / 'run'
    found = labels_of_runs([f'mine={folder}/a.pth', f'{tmp_path}/other/b.pth', folder / 'a.pth'])
    assert [run.label for run in found] == ['mine', 'other', 'run']
    assert found[0].path == f'{folder}/a.pth'
    found = labels_of_runs([folder / 'iter_1.pth', folder / 'iter_2.pth'])
    assert [run.label for run in found] == ['run/iter_1', 'run/iter_2']
    with pytest.raises(ValueError, match="2 runs are called 'run/a'; give them different labels"):
        labels_of_runs([folder / 'a.pth', folder / 'a.pth'])
