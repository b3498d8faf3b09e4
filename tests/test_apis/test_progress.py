from mmseg_multids.apis import progress as module
from mmseg_multids.apis.progress import Progress, progress


def test_progress():
    assert progress(200, 1000, 10.0) == '200 of 1000 images, 20.0 images/s, 0:40 left'
    assert progress(100, 1000000, 100.0) == '100 of 1000000 images, 1.0 images/s, 277:45:00 left'


def test_a_line_every_few_seconds_and_one_at_the_end(monkeypatch):
    now, lines = [100.0], []
    monkeypatch.setattr(module.time, 'monotonic', lambda: now[0])
    said = Progress(10, lines.append, 'city')
    for second, done in ((1, 2), (6, 4), (7, 5), (13, 5), (14, 10), (15, 10)):
        now[0] = 100.0 + second
        said.tell(done)
    assert [line.partition(' images')[0] for line in lines] == [
        'city: 4 of 10', 'city: 5 of 10', 'city: 10 of 10']
    Progress(10, None).tell(10)
