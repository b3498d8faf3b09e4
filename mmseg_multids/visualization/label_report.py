"""One page that shows a label space: its nodes, what they look like, and how it came about."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..files import replacing
from ..label_spaces import UnifiedLabelSpace, unify_by_name
from ..label_spaces.links import Link, links_of

if TYPE_CHECKING:
    from ..apis.label_usage import Example, LabelUsage

_STYLE = '''
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 78em; padding: 0 1em;
       color: #222; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; } h3 { font-size: 1em; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; border-bottom: 2px solid #888; padding: .3em .5em; position: sticky; top: 0;
     background: #fff; }
td { border-bottom: 1px solid #ddd; padding: .35em .5em; vertical-align: top; }
td.node { font-weight: 600; white-space: nowrap; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .4em;
          border: 1px solid #0003; }
.share { color: #666; font-size: .85em; white-space: nowrap; display: inline-block; }
.several { color: #9a5b00; } .none { color: #bbb; }
figure { display: inline-block; margin: 0 .3em .2em 0; text-align: center; font-size: .75em;
         color: #666; }
td.examples { white-space: nowrap; } img { display: block; width: 72px; height: 72px; }
ul { columns: 2; } nav ul { columns: 1; } svg { width: 100%; height: auto; border: 1px solid #ddd; }
svg text { font-size: 11px; } p.note { color: #555; max-width: 60em; }
'''

_SHARES = ("The percentage is the share of the class's labelled pixels that the node wins; px are "
           "all the pixels that it wins in the dataset's images, whatever their label.")


def write_label_report(path: str | os.PathLike, label_space: UnifiedLabelSpace,
                       usage: LabelUsage | None = None,
                       before: UnifiedLabelSpace | None = None,
                       title: str = 'Label space') -> None:
    """Write a self-contained HTML page: a table of contents and the parts that it links to.

    Args:
        path: File to write.
        label_space: The label space.
        usage: What its nodes are used for. Default: no counts and examples.
        before: The same nodes before links were taken away; what was pruned is then listed.
        title: Heading.
    """
    parts = [f'<h1>{escape(title)}</h1>', _summary(label_space),
             _contents(label_space, before is not None), _nodes(label_space, usage),
             _classes(label_space, usage), _comparison(label_space), _pruned(label_space, before),
             _graph(label_space)]
    page = (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
            f'</title><style>{_STYLE}</style></head><body>\n' + '\n'.join(filter(None, parts))
            + '\n</body></html>\n')
    with replacing(path) as file:
        file.write_text(page, encoding='utf-8')


def _summary(space: UnifiedLabelSpace) -> str:
    sizes = ', '.join(f'{escape(d)} ({s.num_classes})' for d, s in space.spaces.items())
    total = sum(s.num_classes for s in space.spaces.values())
    return (f'<p>{space.num_nodes} nodes for {total} classes of {len(space.datasets)} datasets: '
            f'{sizes}.</p>')


def _contents(space: UnifiedLabelSpace, pruned: bool) -> str:
    datasets = ', '.join(f'<a href="#{_anchor(d)}">{escape(d)}</a>' for d in space.datasets)
    items = ['<a href="#nodes">Nodes</a>', f'<a href="#classes">Classes</a> of {datasets}',
             '<a href="#by-name">Compared with merging by name</a>',
             *(['<a href="#pruned">Taken away</a>'] if pruned else []),
             '<a href="#links">Links</a>']
    return f'<nav><ul>{"".join(f"<li>{item}</li>" for item in items)}</ul></nav>'


def _nodes(space: UnifiedLabelSpace, usage: LabelUsage | None) -> str:
    head = ''.join(f'<th>{escape(d)}</th>' for d in space.datasets)
    counted = f'{_SHARES} In the examples all but the node is dimmed.' if usage else ''
    lines = ['<h2 id="nodes">Nodes</h2>', '<p class="note">A class in <span class="several">brown'
             f'</span> has several nodes. {counted}</p>',
             f'<table><tr><th>node</th>{head}' + ('<th>examples</th>' if usage else '') + '</tr>']
    for node, name in enumerate(space.nodes):
        colour = 'rgb({}, {}, {})'.format(*space.palette[node])
        cells = [f'<td class="node"><span class="swatch" style="background:{colour}"></span>'
                 f'{escape(name)}</td>']
        for dataset in space.datasets:
            class_id = int(space.class_of_node(dataset)[node])
            if class_id < 0:
                cells.append('<td class="none">&ndash;</td>')
                continue
            several = len(space.nodes_of_class(dataset, class_id)) > 1
            text = escape(space.space(dataset).classes[class_id])
            cells.append(f'<td{" class=several" if several else ""}>{text}<br>'
                         f'{_share(usage, dataset, class_id, node)}</td>')
        if usage:
            examples = ''.join(map(_figure, usage.examples[node]))
            cells.append(f'<td class="examples">{examples}</td>')
        lines.append(f'<tr>{"".join(cells)}</tr>')
    return '\n'.join([*lines, '</table>'])


def _share(usage: LabelUsage | None, dataset: str, class_id: int, node: int) -> str:
    """How much of its class a node wins, and how much it wins at all."""
    if usage is None or dataset not in usage.pixels:
        return ''
    hits, labelled = int(usage.hits[dataset][node]), int(usage.labelled[dataset][class_id])
    share = _percent(hits, labelled) if labelled else 'not labelled'
    return (f' <span class="share" title="wins {hits:,} of {labelled:,} labelled pixels">'
            f'{share}, {usage.pixels[dataset][node]:,} px</span>')


def _percent(part: int, whole: int) -> str:
    if not whole:
        return '&ndash;'
    share = 100 * part / whole
    return '&lt;0.1 %' if 0 < share < 0.05 else f'{share:.1f} %'


def _figure(example: Example) -> str:
    shown = np.where(example.mask[..., None], example.crop, example.crop // 4 + 150)
    stream = io.BytesIO()
    Image.fromarray(shown.astype(np.uint8)).save(stream, format='JPEG', quality=85)
    data = base64.b64encode(stream.getvalue()).decode()
    return (f'<figure><img alt="" src="data:image/jpeg;base64,{data}">{escape(example.dataset)}'
            '</figure>')


def _comparison(space: UnifiedLabelSpace) -> str:
    by_name = links_of(unify_by_name(list(space.spaces.values())))
    here = links_of(space)
    return '\n'.join([
        '<h2 id="by-name">Compared with merging by name</h2>',
        f'<p>{len(here & by_name)} of {len(by_name)} pairs of namesakes share a node.</p>',
        _pairs('Merged though their names differ', here - by_name),
        _pairs('Namesakes that were kept apart', by_name - here)])


def _pairs(title: str, links: set[Link]) -> str:
    if not links:
        return f'<p>{title}: none.</p>'
    items = ''.join(f'<li>{escape(a)}/{escape(i)} &ndash; {escape(b)}/{escape(j)}</li>'
                    for (a, i), (b, j) in sorted(links))
    return f'<details open><summary>{title}: {len(links)} pairs</summary><ul>{items}</ul></details>'


def _pruned(space: UnifiedLabelSpace, before: UnifiedLabelSpace | None) -> str:
    if before is None:
        return ''
    gone = links_of(before) - links_of(space)
    removed = [name for name in before.nodes if name not in space.nodes]
    listed = f': {escape(", ".join(removed))}' if removed else ''
    return '\n'.join([
        '<h2 id="pruned">Taken away because hardly any image used it</h2>',
        f'<p>{before.num_nodes - space.num_nodes} of {before.num_nodes} nodes (names that are no '
        f'longer there{listed}).</p>',
        _pairs('Pairs that no longer share a node', gone)])


def _classes(space: UnifiedLabelSpace, usage: LabelUsage | None) -> str:
    lines = ['<h2 id="classes">Classes</h2>',
             '<p class="note">What each class is read from. A class in <span class="several">brown'
             '</span> was split: it has several nodes. '
             + (f'{_SHARES} Other nodes win the rest of the labelled pixels.' if usage else '')
             + '</p>']
    for dataset, own in space.spaces.items():
        counted = usage is not None and dataset in usage.pixels
        head = '<th>labelled pixels</th><th>nodes</th><th>other nodes</th>' if counted \
            else '<th>nodes</th>'
        split = space.classes_with_several_nodes(dataset)
        listed = f': {escape(", ".join(split))}' if split else ''
        lines += [f'<h3 id="{_anchor(dataset)}">{escape(dataset)}</h3>',
                  f'<p>{own.num_classes} classes, {len(split)} with several nodes{listed}.'
                  f'{_labelled(usage, dataset) if counted else ""}</p>',
                  f'<table><tr><th>class</th>{head}</tr>']
        for class_id, name in enumerate(own.classes):
            nodes = space.nodes_of_class(dataset, class_id)
            several = ' class="several"' if len(nodes) > 1 else ''
            parts = '<br>'.join(escape(space.nodes[n]) + _share(usage, dataset, class_id, n)
                                for n in nodes)
            cells = [f'<td{several}>{escape(name)}</td>', f'<td>{parts}</td>']
            if counted:
                pixels = int(usage.labelled[dataset][class_id])
                others = pixels - int(usage.hits[dataset][nodes].sum())
                cells.insert(1, f'<td>{pixels:,}</td>' if pixels
                             else '<td class="none">none in these images</td>')
                cells.append(f'<td>{_percent(others, pixels)}</td>')
            lines.append(f'<tr>{"".join(cells)}</tr>')
        lines.append('</table>')
    return '\n'.join(lines)


def _labelled(usage: LabelUsage, dataset: str) -> str:
    labelled, total = int(usage.labelled[dataset].sum()), int(usage.pixels[dataset].sum())
    return f' {_percent(labelled, total)} of the {total:,} pixels of its images are labelled.'


def _anchor(dataset: str) -> str:
    return escape('classes-of-' + '-'.join(dataset.split()))


def _graph(space: UnifiedLabelSpace) -> str:
    """Nodes in the middle, datasets at the sides, a line for each link; as SVG."""
    step, width = 16, 1000
    datasets = space.datasets
    half = (len(datasets) + 1) // 2
    sides = {d: ('left' if i < half else 'right') for i, d in enumerate(datasets)}
    place: dict[tuple[str, int], tuple[float, float]] = {}
    texts, rows = [], {'left': 0, 'right': 0}
    for dataset in datasets:
        side = sides[dataset]
        x, anchor = (230, 'end') if side == 'left' else (width - 230, 'start')
        rows[side] += 1
        texts.append(f'<text x="{x}" y="{rows[side] * step}" text-anchor="{anchor}" '
                     f'font-weight="bold">{escape(dataset)}</text>')
        for class_id, name in enumerate(space.space(dataset).classes):
            rows[side] += 1
            y = rows[side] * step
            place[dataset, class_id] = (x + (6 if side == 'left' else -6), y - 4)
            texts.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(name)}</text>')
        rows[side] += 1
    height = max(*rows.values(), space.num_nodes + 2) * step + step
    gap = (height - 2 * step) / max(space.num_nodes, 1)
    lines = []
    for node in _by_height(space, place):
        y = step + (len(lines) + 0.5) * gap
        colour = 'rgb({}, {}, {})'.format(*space.palette[node])
        links = []
        for dataset in datasets:
            class_id = int(space.class_of_node(dataset)[node])
            if class_id < 0:
                continue
            x2, y2 = place[dataset, class_id]
            middle = width / 2 + (-60 if sides[dataset] == 'left' else 60)
            links.append(f'<path d="M{middle:.0f} {y:.1f} C{(middle + x2) / 2:.0f} {y:.1f} '
                         f'{(middle + x2) / 2:.0f} {y2:.1f} {x2:.0f} {y2:.1f}" fill="none" '
                         f'stroke="{colour}" stroke-width="1.5" opacity=".8"/>')
        name = space.nodes[node]
        short = name if len(name) <= 18 else f'{name[:17]}\u2026'
        links.append(f'<text x="{width / 2}" y="{y + 4:.1f}" text-anchor="middle">{escape(short)}'
                     '</text>')
        lines.append(''.join(links))
    return (f'<h2 id="links">Links</h2><svg viewBox="0 0 {width} {height:.0f}" '
            f'xmlns="http://www.w3.org/2000/svg">{"".join(texts)}{"".join(lines)}</svg>')


def _by_height(space: UnifiedLabelSpace, place: dict) -> Sequence[int]:
    """Order nodes by the mean height of their classes, so that few lines cross."""
    heights = []
    for node in range(space.num_nodes):
        ys = [place[d, int(space.class_of_node(d)[node])][1] for d in space.datasets
              if space.class_of_node(d)[node] >= 0]
        heights.append(float(np.mean(ys)))
    return np.argsort(heights, kind='stable').tolist()
