"""Labelling that is stopped, killed or fails goes on, whoever shares in it."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from mmseg_multids.apis.pseudo_labels import generate_pseudo_labels
from mmseg_multids.apis.pseudo_statistics import format_statistics
from mmseg_multids.datasets.pseudo_folder import PseudoLabelFolder

from ..conftest import ROOT
from ..processes import in_two_processes
from .pseudo import content, in_a_process, read, teacher, write_images


def test_any_number_of_processes_makes_the_same_files(make, place, tmp_path):
    options, said = {'soft': 2, 'portion': 0.4}, []
    make('alone', say=said.append, **options)
    assert said and said[0].endswith('left') and '6 of 6 images' in said[0]
    make('two', processes=2, **options)
    in_two_processes(in_a_process, str(place), str(place / 'images'), str(tmp_path / 'ranks'),
                     {'label_space': 'one', **options})
    alone = content(tmp_path / 'alone')
    assert alone == content(tmp_path / 'two') == content(tmp_path / 'ranks')
    again = make('alone', **options)  # nothing left to do
    assert content(tmp_path / 'alone') == alone and again.statistics['images'] == 6


def run_until(place, images, out, records=None, processes=1):
    """Label in another process; kill it at some moment after so many images."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'tests.test_apis.pseudo', str(place), str(images), str(out),
         str(processes)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'})
    if records is not None:
        end = time.monotonic() + 300
        while len(list(out.glob('records/*.json'))) < records and time.monotonic() < end:
            assert process.poll() is None, process.communicate()[0].decode()
            time.sleep(0.02)
        time.sleep(random.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
    output = process.communicate()[0].decode()
    assert process.returncode == (0 if records is None else -signal.SIGKILL), output


@pytest.mark.parametrize('processes', [1, 2])
def test_a_killed_run_goes_on(place, tmp_path, processes):
    images = write_images(tmp_path / 'images', 40, (96, 128))
    generate_pseudo_labels(read(place), [images], tmp_path / 'whole', place / 'model.pth', 'one',
                           soft=2, portion=0.4)
    for records in (random.randint(1, 10), random.randint(11, 30)):
        run_until(place, images, tmp_path / 'out', records, processes)
        assert not (tmp_path / 'out' / 'statistics.json').exists()
        assert records <= len(list(tmp_path.glob('out/records/*.json'))) < 40
    run_until(place, images, tmp_path / 'out')
    assert content(tmp_path / 'out') == content(tmp_path / 'whole')


def test_another_run_in_the_same_folder_is_refused(make, place, tmp_path):
    make(scales=(0.5, 1.0))
    before = content(tmp_path / 'out')
    extra = [*sorted((place / 'images').iterdir())][:5]
    for options, words in [
            ({'scales': (1.0,)}, r'scales was \[0.5, 1.0\], and is \[1.0\] now'),
            ({'label_space': 'two'}, "target was 'one', and is 'two' now"),
            ({'threshold': 0.5}, r'threshold was 0.0, and is 0.5 now'),
            ({'portion': 0.5}, 'portion was null'),
            ({'tile': (16, 16)}, "test_cfg was"),
            ({'images': extra}, 'images: there were 6, and are 5 now'),
            ({'images': [extra[0], *extra[2:]]}, "images: number 1 was '01.png'")]:
        with pytest.raises(ValueError, match=words) as info:
            make(**{'scales': (0.5, 1.0), **options})
        assert 'another folder (--out), or delete' in str(info.value)
    other = teacher(tmp_path / 'other', seed=1)
    with pytest.raises(ValueError, match='SHA-256'):
        generate_pseudo_labels(other, [place / 'images'], tmp_path / 'out',
                               tmp_path / 'other' / 'model.pth', 'one', scales=(0.5, 1.0))
    assert content(tmp_path / 'out') == before
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'thesis.txt').write_text('')
    with pytest.raises(ValueError, match='is not empty'):
        make('full')
    manifest = tmp_path / 'out' / 'manifest.json'
    manifest.write_text(manifest.read_text().replace('"road"', '"lane"'))
    with pytest.raises(ValueError, match='not as it was written'):
        make(scales=(0.5, 1.0))


@pytest.mark.parametrize('portion', [None, 0.5])
def test_images_that_cannot_be_read(place, tmp_path, make, portion):
    images = write_images(tmp_path / 'images', 5)
    whole = (images / '01.png').read_bytes()
    (images / '01.png').write_bytes(whole[:len(whole) // 2])
    (images / '03.png').write_text('no image')
    found = make(images=[images], portion=portion)
    assert sorted(found.failed) == ['01.png', '03.png']
    assert found.failed == json.loads((tmp_path / 'out' / 'failed.json').read_text())
    assert found.statistics['images'] == 3 and found.statistics['failed'] == 2
    assert len(list((tmp_path / 'out' / 'labels').iterdir())) == 3
    write_images(images, 5)  # repaired
    found = make(images=[images], portion=portion)
    make('fresh', images=[images], portion=portion)
    assert found.failed == {} and found.statistics['images'] == 5
    assert content(tmp_path / 'out') == content(tmp_path / 'fresh')


def test_every_image_unreadable(tmp_path, make):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / 'a.jpg').write_bytes(b'')
    found = make(images=[tmp_path / 'images'])
    assert list(found.failed) == ['a.jpg'] and found.statistics['images'] == 0
    assert format_statistics(found.statistics)


@pytest.mark.parametrize('part', ['labels', 'soft', 'records', 'unfiltered'])
def test_a_full_disk(make, tmp_path, monkeypatch, part):
    options = {'soft': 1, 'portion': 0.5 if part == 'unfiltered' else None}
    make('whole', **options)
    real, count = os.replace, []

    def full(source, target):
        if f'out/{part}/' in str(target):
            count.append(target)
            if len(count) == 4:
                raise OSError(errno.ENOSPC, 'No space left on device')
        real(source, target)

    monkeypatch.setattr(os, 'replace', full)
    with pytest.raises(OSError, match='no space left to write .*03.*same command again') as info:
        make(**options)
    assert info.value.errno == errno.ENOSPC
    assert not list(tmp_path.glob('out/**/*.tmp'))
    monkeypatch.setattr(os, 'replace', real)
    make(**options)
    assert content(tmp_path / 'out') == content(tmp_path / 'whole')


def test_the_other_processes_hear_of_any_error_of_the_first(make, monkeypatch):
    """Or they would wait for it until their collective gives up."""
    def broken(self, manifest):
        raise KeyError('broken')

    told = []
    monkeypatch.setattr(PseudoLabelFolder, 'begin', broken)
    monkeypatch.setattr('mmseg_multids.processes.broadcast_object_list',
                        lambda found: told.append(found[1]))
    with pytest.raises(KeyError, match='broken'):
        make()
    assert [type(error) for error in told] == [KeyError]
