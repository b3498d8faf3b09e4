"""Curves over training iterations."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from mmseg_multids.visualization import training_curves as tc


def test_the_average_over_seeds_by_hand():
    curve = tc.average_curves([{2: 10.0, 4: 20.0}, {2: 14.0, 4: 20.0}, {2: 12.0, 4: 26.0}])
    assert curve.iterations == [2, 4] and curve.mean == [12.0, 22.0]
    assert curve.std == pytest.approx([2.0, math.sqrt((4 + 4 + 16) / 2)])


def test_one_run_has_no_deviation():
    assert tc.average_curves([{4: 2.0, 2: 1.0}]) == tc.Curve([2, 4], [1.0, 2.0], None)


def test_only_iterations_that_all_runs_have_are_averaged():
    nan = float('nan')
    assert tc.average_curves([{2: 1.0, 4: 5.0, 6: nan}, {2: 3.0, 6: 7.0}]).iterations == [2]
    assert tc.average_curves([{2: 1.0}, {4: 3.0}]) == tc.Curve([], [], [])


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draw and return the figure's panels by title, and its legend."""
    figures = []
    monkeypatch.setattr(tc, 'save_figure', lambda figure, path: figures.append(figure))

    def draw(panels):
        tc.draw_training_curves(panels, tmp_path / 'a.png')
        figure = figures.pop()
        assert isinstance(figure, Figure)
        return ({axis.get_title(loc='left'): axis for axis in figure.axes if axis.axison},
                [text.get_text() for text in figure.legends[0].get_texts()])
    return draw


def test_a_panel_per_dataset_with_lines_and_bands(drawn):
    seeds = tc.Curve([2, 4], [10.0, 20.0], [1.0, 2.0])
    single = tc.Curve([2, 4, 6], [5.0, 6.0, 7.0], None)
    panels, legend = drawn({'city': {'a': seeds, 'b': single}, 'asia': {'b': single},
                            'atlas': {'a': seeds}, 'room': {'a': seeds}})
    assert list(panels) == ['city', 'asia', 'atlas', 'room'] and legend == ['a', 'b']
    first, second = panels['city'].lines
    assert first.get_xydata().tolist() == [[2, 10], [4, 20]]
    assert second.get_ydata().tolist() == [5, 6, 7]
    band, = panels['city'].collections  # one run has no band
    corners = band.get_paths()[0].vertices
    assert {tuple(c) for c in corners.tolist()} == {(2, 9), (2, 11), (4, 18), (4, 22)}
    # A label has one colour in all panels.
    assert panels['asia'].lines[0].get_color() == second.get_color() != first.get_color()


def test_a_single_validation_is_a_point_that_can_be_seen(drawn):
    panels, _ = drawn({'city': {'a': tc.Curve([2], [10.0], [1.0])}})
    line = panels['city'].lines[0]
    assert line.get_marker() == 'o' and line.get_xydata().tolist() == [[2, 10]]
    bar, = panels['city'].collections  # the error bar
    np.testing.assert_allclose(bar.get_segments()[0], [[2, 9], [2, 11]])


def test_a_panel_without_validations_says_so(drawn):
    panels, _ = drawn({'city': {'a': tc.Curve([2], [10.0], None)}, 'asia': {}})
    assert [text.get_text() for text in panels['asia'].texts] == ['no validations']


def test_the_picture_is_written(tmp_path):
    curve = tc.Curve(list(range(100)), list(range(100)), [1.0] * 100)
    tc.draw_training_curves({f'd{i}': {f'r{j}': curve for j in range(10)} for i in range(5)},
                            tmp_path / 'a.png')
    assert (tmp_path / 'a.png').read_bytes()[:4] == b'\x89PNG'
