"""An interactive page of pixel features in the plane, in one file that needs nothing else."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ..files import replacing
from .features import MARKERS, MEANING, FeaturePanel, class_colours

if TYPE_CHECKING:
    from ..apis.pixel_features import PixelSample


def write_feature_page(panels: Sequence[FeaturePanel], sample: PixelSample,
                       path: str | os.PathLike, title: str = 'Pixel features',
                       caption: str = '') -> None:
    """Write a page to look around in: zoom, names under the pointer, classes on and off.

    Args:
        panels: The models.
        sample: The pixels.
        path: File to write.
        title: Heading.
        caption: Line below it.
    """
    images = sorted(sample.image_names)
    data = {
        'datasets': [{'name': name, 'marker': MARKERS[d % len(MARKERS)]}
                     for d, name in enumerate(sample.datasets)],
        'classes': [{'dataset': sample.datasets.index(c.dataset), 'name': c.name, 'colour': colour}
                    for c, colour in zip(sample.classes, class_colours(sample.classes))],
        'images': [sample.image_names[i] for i in images],
        'ofClass': sample.class_ids.tolist(),
        'ofImage': np.searchsorted(images, sample.images).tolist(),
        'places': sample.places.tolist(),
        'panels': [{'label': panel.label, 'points': _unit(panel.points)} for panel in panels],
    }
    # `<` is the one letter that could end the script's element.
    text = json.dumps(data, separators=(',', ':'), allow_nan=False).replace('<', '\\u003c')
    figures = '\n'.join(
        f'<figure><figcaption><strong>{escape(panel.label)}</strong> {escape(str(panel.scores))}'
        f'</figcaption><div class="plot"><canvas tabindex="0" role="img" aria-label="'
        f'{escape(f"t-SNE of {panel.label}: {panel.scores}", quote=True)}"></canvas></div></figure>'
        for panel in panels)
    parts = {'TITLE': escape(title), 'CAPTION': escape(caption), 'FIGURES': figures,
             'MEANING': escape(MEANING), 'STYLE': _STYLE, 'SCRIPT': _SCRIPT, 'DATA': text}
    # In one pass, as a name may look like a place for a part.
    page = re.sub('@([A-Z]+)@', lambda found: parts[found[1]], _PAGE)
    with replacing(path) as file:
        file.write_text(page, encoding='utf-8')


def _unit(points: np.ndarray) -> list[list[float]]:
    """Centre the points, with the longer side from -1 to 1; distances stay true."""
    low, high = points.min(axis=0), points.max(axis=0)
    half = float((high - low).max()) / 2 or 1.0
    return np.round((points - (low + high) / 2) / half, 4).astype(float).tolist()


# The policy makes sure that nothing is fetched, whatever a name may hold.
_PAGE = '''<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>@TITLE@</title><style>@STYLE@</style></head><body>
<header><h1>@TITLE@</h1><p>@CAPTION@</p></header>
<div class="page"><main>
@FIGURES@
</main><nav aria-label="Classes"><p><button id="all">show all</button>
<button id="none">hide all</button>
<button id="reset">reset view</button></p>
<div id="legend"></div></nav></div>
<footer><p>Classes of one name have one colour. Wheel or +/&minus;: zoom. Drag or arrows: move.
Double click or 0: reset. A click on a class or on a dataset hides it, Alt and a click shows it
alone. The pixel under the pointer is ringed in every panel.</p><p>@MEANING@</p></footer>
<div id="tip" hidden></div>
<script type="application/json" id="data">@DATA@</script>
<script>@SCRIPT@</script>
</body></html>
'''

_STYLE = '''
:root { color-scheme: light dark; --back: #fff; --plot: #fcfcfc; --text: #1c1c1c; --faint: #666;
        --line: #d6d6d6; --edge: rgba(255, 255, 255, .9); --ring: #000; }
@media (prefers-color-scheme: dark) {
  :root { --back: #16181b; --plot: #1d2024; --text: #e8e8e8; --faint: #a0a4a9; --line: #3a3e44;
          --edge: rgba(16, 18, 20, .8); --ring: #fff; } }
* { box-sizing: border-box; }
body { font: 14px/1.4 system-ui, sans-serif; margin: 0; padding: 1em 1.4em; color: var(--text);
       background: var(--back); }
h1 { font-size: 1.35em; margin: 0; }
header p, footer p { color: var(--faint); margin: .25em 0 .8em; max-width: 70em; }
footer { font-size: .88em; margin-top: 1em; }
.page { display: flex; gap: 1.4em; align-items: flex-start; }
main { flex: 1 1 0; min-width: 0; display: grid; gap: 1em;
       grid-template-columns: repeat(auto-fit, minmax(min(340px, 100%), 1fr)); }
figure { margin: 0; max-width: 80vh; }
figcaption { color: var(--faint); margin-bottom: .3em; }
figcaption strong { color: var(--text); margin-right: .5em; }
.plot { aspect-ratio: 1; border: 1px solid var(--line); border-radius: 6px; overflow: hidden;
        background: var(--plot); }
canvas { display: block; width: 100%; height: 100%; cursor: crosshair; touch-action: none; }
canvas:focus-visible, button:focus-visible { outline: 2px solid #4c9be8; outline-offset: -2px; }
nav { flex: 0 0 15em; max-height: 92vh; overflow-y: auto; position: sticky; top: 1em; }
nav p { margin: 0 0 .6em; font-size: .88em; white-space: nowrap; }
#legend section { margin-bottom: .9em; }
button { font: inherit; color: inherit; background: none; border: 1px solid var(--line);
         border-radius: 4px; padding: .1em .5em; cursor: pointer; }
#legend button { display: flex; align-items: center; gap: .5em; width: 100%; border: 0;
                 text-align: left; padding: .08em .3em; }
#legend button:hover { background: color-mix(in srgb, var(--text) 9%, transparent); }
#legend button.dataset { font-weight: 600; }
#legend button[aria-pressed=false] { opacity: .38; text-decoration: line-through; }
#legend svg { flex: none; }
#legend span { overflow-wrap: anywhere; }
#tip { position: fixed; z-index: 9; pointer-events: none; background: var(--back);
       color: var(--text); border: 1px solid var(--line); border-radius: 5px; padding: .3em .6em;
       box-shadow: 0 2px 8px rgba(0, 0, 0, .25); max-width: 22em; overflow-wrap: anywhere; }
#tip small { color: var(--faint); }
@media (max-width: 700px) { .page { flex-direction: column; }
  nav { position: static; flex-basis: auto; width: 100%; max-height: none; }
  main { width: 100%; } }
'''

_SCRIPT = '''
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const shown = data.classes.map(() => true);
const count = data.ofClass.length;
let ringed = -1, lit = null;  // a point; the classes that the pointer is on in the legend

// A fixed random order of drawing, so that no dataset covers the others.
const order = Array.from({length: count}, (_, i) => i);
for (let i = count - 1, s = 1; i > 0; i--) {
  s = (s * 48271) % 2147483647;
  const j = s % (i + 1);
  [order[i], order[j]] = [order[j], order[i]];
}

// Corners of the markers, for a radius of 1; a round one has none.
const turned = (n, start, inner) => Array.from({length: inner ? 2 * n : n}, (_, i) => {
  const a = start + 2 * Math.PI * i / (inner ? 2 * n : n), r = inner && i % 2 ? inner : 1;
  return [1.2 * r * Math.cos(a), 1.2 * r * Math.sin(a)];
});
const cross = [[-.38, -1.1], [.38, -1.1], [.38, -.38], [1.1, -.38], [1.1, .38], [.38, .38],
               [.38, 1.1], [-.38, 1.1], [-.38, .38], [-1.1, .38], [-1.1, -.38], [-.38, -.38]];
const half = Math.PI / 2;
const corners = {
  'o': null, '^': turned(3, -half), 's': turned(4, half / 2), 'D': turned(4, 0), 'P': cross,
  'v': turned(3, half), 'X': cross.map(([x, y]) => [.707 * (x - y), .707 * (x + y)]),
  '*': turned(5, -half, .45),
};
function trace(to, marker, x, y, r) {
  if (!corners[marker]) { to.moveTo(x + r, y); to.arc(x, y, r, 0, 2 * Math.PI); return; }
  corners[marker].forEach(([a, b], i) => i ? to.lineTo(x + a * r, y + b * r)
                                           : to.moveTo(x + a * r, y + b * r));
  to.closePath();
}

class Panel {
  constructor(canvas, points) {
    Object.assign(this, {canvas, points, context: canvas.getContext('2d'), held: new Map()});
    this.reset();
    new ResizeObserver(() => this.draw()).observe(canvas);
    canvas.addEventListener('wheel', event => {
      event.preventDefault();
      const box = canvas.getBoundingClientRect();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)),
                event.clientX - box.left, event.clientY - box.top);
    }, {passive: false});
    canvas.addEventListener('pointerdown', event => {
      this.held.set(event.pointerId, [event.clientX, event.clientY]);
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener('pointermove', event => this.moved(event));
    for (const name of ['pointerup', 'pointercancel'])
      canvas.addEventListener(name, event => this.held.delete(event.pointerId));
    canvas.addEventListener('pointerleave', () => point(-1));
    canvas.addEventListener('dblclick', () => { this.reset(); this.draw(); });
    canvas.addEventListener('keydown', event => {
      const step = {ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40],
                    ArrowDown: [0, -40]}[event.key];
      const middle = this.side() / 2;
      if (step) this.move(...step);
      else if (event.key === '+' || event.key === '=') this.zoom(1.25, middle, middle);
      else if (event.key === '-') this.zoom(0.8, middle, middle);
      else if (event.key === '0') { this.reset(); this.draw(); }
      else return;
      event.preventDefault();
    });
  }
  reset() { this.scale = 1; this.x = this.y = 0; }
  side() { return this.canvas.clientWidth; }
  // Where a point is, in CSS pixels.
  place(i) {
    const half = this.side() / 2, [px, py] = this.points[i];
    return [half + half * 0.93 * (px * this.scale + this.x),
            half - half * 0.93 * (py * this.scale - this.y)];
  }
  move(dx, dy) {
    const half = this.side() / 2 * 0.93;
    this.x += dx / half;
    this.y += dy / half;
    this.draw();
  }
  zoom(factor, cx, cy) {
    const before = this.scale, half = this.side() / 2;
    this.scale = Math.min(60, Math.max(0.5, this.scale * factor));
    const grown = this.scale / before, unit = half * 0.93;
    const ux = (cx - half) / unit, uy = (cy - half) / unit;
    this.x = ux - (ux - this.x) * grown;  // what is under the pointer stays there
    this.y = uy - (uy - this.y) * grown;
    this.draw();
  }
  moved(event) {
    const box = this.canvas.getBoundingClientRect();
    const held = this.held.get(event.pointerId);
    if (held) {
      const before = [...this.held.values()];
      this.held.set(event.pointerId, [event.clientX, event.clientY]);
      const after = [...this.held.values()];
      if (after.length > 1) {  // two fingers
        const apart = p => Math.hypot(p[0][0] - p[1][0], p[0][1] - p[1][1]) || 1;
        this.zoom(apart(after) / apart(before), (after[0][0] + after[1][0]) / 2 - box.left,
                  (after[0][1] + after[1][1]) / 2 - box.top);
      }
      this.move((event.clientX - held[0]) / after.length, (event.clientY - held[1]) / after.length);
      return;
    }
    let best = -1, least = 12 ** 2;
    for (let i = 0; i < count; i++) {
      if (!shown[data.ofClass[i]]) continue;
      const [x, y] = this.place(i);
      const d = (x - event.clientX + box.left) ** 2 + (y - event.clientY + box.top) ** 2;
      if (d < least) [best, least] = [i, d];
    }
    point(best, event);
  }
  draw() {
    const {canvas, context} = this, ratio = window.devicePixelRatio || 1, side = this.side();
    if (canvas.width !== Math.round(side * ratio))
      canvas.width = canvas.height = Math.round(side * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, side, side);
    const style = getComputedStyle(document.documentElement);
    const edge = style.getPropertyValue('--edge'), ring = style.getPropertyValue('--ring');
    const radius = Math.min(7, Math.max(2.6, side / 150) * this.scale ** 0.25);
    context.lineWidth = 0.6;
    for (const i of order) {
      const kind = data.classes[data.ofClass[i]];
      if (!shown[data.ofClass[i]]) continue;
      context.globalAlpha = lit && !lit.has(data.ofClass[i]) ? 0.08 : 0.88;
      context.fillStyle = kind.colour;
      context.strokeStyle = edge;
      context.beginPath();
      trace(context, data.datasets[kind.dataset].marker, ...this.place(i), radius);
      context.fill();
      context.stroke();
    }
    context.globalAlpha = 1;
    if (ringed >= 0) {
      context.beginPath();
      context.lineWidth = 2;
      context.strokeStyle = ring;
      context.arc(...this.place(ringed), radius + 4, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}

const panels = [...document.querySelectorAll('canvas')].map(
  (canvas, i) => new Panel(canvas, data.panels[i].points));
const drawAll = () => panels.forEach(panel => panel.draw());
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);

const tip = document.getElementById('tip');
function point(i, event) {
  if (i !== ringed) { ringed = i; drawAll(); }
  tip.hidden = i < 0;
  if (i < 0) return;
  const kind = data.classes[data.ofClass[i]], [row, column] = data.places[i];
  const line = document.createElement('small');
  line.textContent = `image ${data.images[data.ofImage[i]]}, row ${row}, column ${column}`;
  tip.replaceChildren(`${data.datasets[kind.dataset].name} / ${kind.name}`,
                      document.createElement('br'), line);
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.min(event.clientX + 14, innerWidth - box.width - 6) + 'px';
  tip.style.top = Math.min(event.clientY + 14, innerHeight - box.height - 6) + 'px';
}

// ------------------------------------------------------------------------ legend

const entries = [];  // buttons with the classes they are about
function entry(text, marker, colour, own) {
  const button = document.createElement('button'), name = document.createElement('span');
  name.textContent = text;
  const shape = corners[marker];
  const line = shape ? `M${shape.map(([x, y]) => `${8 + 4.6 * x} ${8 + 4.6 * y}`).join('L')}Z`
                     : 'M12.6 8A4.6 4.6 0 1 1 3.4 8A4.6 4.6 0 1 1 12.6 8Z';
  button.innerHTML = `<svg width="16" height="16" aria-hidden="true"><path d="${line}" fill="${
    colour}"/></svg>`;
  button.append(name);
  button.addEventListener('click', event => {
    const on = own.some(c => !shown[c]);
    if (event.altKey) shown.fill(false);
    own.forEach(c => { shown[c] = event.altKey || on; });
    refresh();
  });
  button.addEventListener('pointerenter', () => { lit = new Set(own); drawAll(); });
  button.addEventListener('pointerleave', () => { lit = null; drawAll(); });
  entries.push([button, own]);
  return button;
}
function refresh() {
  for (const [button, own] of entries)
    button.setAttribute('aria-pressed', String(own.some(c => shown[c])));
  point(-1);
  drawAll();
}
data.datasets.forEach((dataset, d) => {
  const own = data.classes.map((_, c) => c).filter(c => data.classes[c].dataset === d);
  const section = document.createElement('section');
  const heading = entry(dataset.name, dataset.marker, 'currentColor', own);
  heading.className = 'dataset';
  section.append(heading, ...own.map(c => entry(data.classes[c].name, dataset.marker,
                                                data.classes[c].colour, [c])));
  document.getElementById('legend').append(section);
});
document.getElementById('all').addEventListener('click', () => { shown.fill(true); refresh(); });
document.getElementById('none').addEventListener('click', () => { shown.fill(false); refresh(); });
document.getElementById('reset').addEventListener('click', () => {
  panels.forEach(panel => panel.reset());
  drawAll();
});
refresh();
'''
