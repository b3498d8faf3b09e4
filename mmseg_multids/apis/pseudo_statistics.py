"""What pseudo labels are like: counts per image and class, and which confidences are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from prettytable import PrettyTable

#: Confidences are counted and stored in 255ths.
LEVELS = 256


def image_record(labels: np.ndarray, levels: np.ndarray, passed: np.ndarray,
                 given: np.ndarray | None, num_classes: int, histogram: bool) -> dict:
    """Count what an image's labels are.

    Args:
        labels: Class of each pixel, the number of classes where there is none. [H, W].
        levels: Confidence of the prediction in 255ths. [H, W], uint8.
        passed: Pixels that are confident enough. [H, W], bool.
        given: Pixels that were labelled before, with or without a class now. [H, W], bool.
        num_classes: Number of classes.
        histogram: Also count, per class, how many of the ``passed`` pixels have which level.

    Returns:
        ``size``; by class ``predicted`` [pixels, those that passed, sum of levels] and ``given``
        (pixels); ``levels`` [[level, pixels], ...].
    """
    record: dict = {'size': list(labels.shape), 'predicted': {}}
    if given is not None:
        counts = np.bincount(labels[given], minlength=num_classes + 1)[:num_classes]
        record['given'] = {str(c): int(counts[c]) for c in np.flatnonzero(counts)}
    # A table of class and level, of those that passed and the others.
    predicted = slice(None) if given is None else ~given
    joint = (passed.astype(np.int64) * (num_classes + 1) + labels) * LEVELS + levels
    table = np.bincount(joint[predicted].ravel(), minlength=2 * (num_classes + 1) * LEVELS)
    dropped, kept = table.reshape(2, num_classes + 1, LEVELS)[:, :num_classes]
    both = dropped + kept
    present = np.flatnonzero(both.sum(axis=1))
    record['predicted'] = {
        str(c): [int(both[c].sum()), int(kept[c].sum()), int(both[c] @ np.arange(LEVELS))]
        for c in present}
    if histogram:
        record['levels'] = {str(c): [[int(level), int(kept[c, level])]
                                     for level in np.flatnonzero(kept[c])] for c in present}
    return record


def lowest_levels(records: Iterable[Mapping], portions: Sequence[float]) -> list[int]:
    """Return the lowest level of each class that is kept, so that a share of its pixels is.

    Of all levels the highest one is taken at which at least that share is kept, or as much as
    passed; pixels of one level are kept together.

    Args:
        records: Of :func:`image_record`, with ``levels``.
        portions: Share of each class's pixels.

    Returns:
        From 0 to 255, or 256: no pixel is kept.
    """
    counts = np.zeros((len(portions), LEVELS), np.int64)
    totals = np.zeros(len(portions), np.int64)
    for record in records:
        for class_id, (pixels, _, _) in record['predicted'].items():
            totals[int(class_id)] += pixels
        for class_id, pairs in record['levels'].items():
            for level, pixels in pairs:
                counts[int(class_id), level] += pixels
    found = []
    for own, total, portion in zip(counts, totals, portions):
        if portion == 0 or total == 0:
            found.append(LEVELS)
            continue
        above = own[::-1].cumsum()[::-1]  # pixels of at least each level
        enough = np.flatnonzero(above >= portion * total)
        found.append(int(enough[-1]) if len(enough) else 0)
    return found


def collect_statistics(records: Iterable[Mapping], classes: Sequence[str],
                       lowest: Sequence[int] | None = None) -> dict:
    """Sum up the records of all images.

    Args:
        records: Of :func:`image_record`.
        classes: Names of the classes.
        lowest: Of :func:`lowest_levels`, where a share of each class is kept.

    Returns:
        Plain types: ``images``, ``pixels``, ``labelled``, and per class ``pixels`` (labelled ones),
        ``share`` (of all labelled pixels), ``images`` (that have any), ``confidence`` (mean of all
        predicted pixels, also of dropped ones), ``dropped`` (share of the predicted pixels), and
        ``given`` (pixels that were labelled before). A figure of no pixel is null.
    """
    predicted, kept, given, images, sums = np.zeros((5, len(classes)), np.int64)
    count = size = 0
    for record in records:
        count += 1
        size += record['size'][0] * record['size'][1]
        own = np.zeros(len(classes), np.int64)
        for key, (pixels, passed, levels) in record['predicted'].items():
            c = int(key)
            if lowest is not None:
                passed = sum(n for level, n in record['levels'][key] if level >= lowest[c])
            predicted[c] += pixels
            sums[c] += levels
            kept[c] += passed
            own[c] += passed
        for key, pixels in record.get('given', {}).items():
            given[int(key)] += pixels
            own[int(key)] += pixels
        images += own > 0
    labelled = int(kept.sum() + given.sum())
    per_class = {
        name: {'pixels': int(kept[c] + given[c]),
               'share': _ratio(kept[c] + given[c], labelled),
               'images': int(images[c]),
               'confidence': _ratio(sums[c], predicted[c] * (LEVELS - 1)),
               'dropped': _ratio(predicted[c] - kept[c], predicted[c]),
               'given': int(given[c])}
        for c, name in enumerate(classes)}
    return {'images': count, 'pixels': int(size), 'labelled': labelled, 'classes': per_class}


def _ratio(part: int, whole: int) -> float | None:
    return round(float(part) / float(whole), 6) if whole else None


def format_statistics(statistics: Mapping) -> str:
    """Return a table of the classes, most pixels first, and which classes have none."""
    given = any(row['given'] for row in statistics['classes'].values())
    table = PrettyTable(['class', 'pixels', 'share %', 'images', 'mean confidence', 'dropped %',
                         *(['labelled before'] if given else [])])
    table.align = 'r'
    table.align['class'] = 'l'
    rows = sorted(statistics['classes'].items(), key=lambda item: -item[1]['pixels'])
    for name, row in rows:
        if row['pixels'] or row['confidence'] is not None:
            table.add_row([
                name, row['pixels'], _percent(row['share']), row['images'],
                '-' if row['confidence'] is None else f'{row["confidence"]:.3f}',
                _percent(row['dropped']), *([row['given']] if given else [])])
    share = _ratio(statistics['labelled'], statistics['pixels'])
    lines = [table.get_string(title=f'{statistics["images"]} images, {_percent(share)} % of the '
                              'pixels have a label')]
    absent = [name for name, row in rows if not row['pixels']]
    if absent and statistics['labelled']:
        lines.append(f'{len(absent)} of {len(rows)} classes have no pixel: {", ".join(absent)}')
    if statistics['images'] and not statistics['labelled']:
        lines.append(why_nothing(statistics))
    return '\n'.join(lines)


def why_nothing(statistics: Mapping) -> str:
    """Return what is to be said where no pixel of any image has a label."""
    sure = [(row['confidence'], name) for name, row in statistics['classes'].items()
            if row['confidence'] is not None]
    found = f'; the surest class, {max(sure)[1]}, has a mean confidence of {max(sure)[0]:.3f}' \
        if sure else ''
    return (f'no pixel of {statistics["images"]} images has a label: all were dropped{found}. A '
            'lower threshold or a larger portion keeps some')


def _percent(share: float | None) -> str:
    return '-' if share is None else f'{100 * share:.2f}'
