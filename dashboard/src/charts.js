// SPDX-License-Identifier: Apache-2.0
//
// Charts over time, and the curve. Each can be walked through by arrow keys.
import uPlot from 'uplot';
import * as format from './format.js';

const HEIGHT_PX = 190;
// Steps between the lines of a chart of bytes.
const POWERS = Array.from({length: 45}, (_, i) => 2 ** i);

export const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const axis = (values, extra) => ({
  stroke: () => colour('quiet'),
  grid: {stroke: () => colour('line'), width: 1},
  ticks: {show: false},
  font: '12px system-ui, sans-serif',
  values: values && ((_, splits) => splits.map((v) => (v === null ? '' : values(v)))),
  ...extra,
});

const line = ([label, name, value, extra]) => ({
  label,
  stroke: () => colour(name),
  width: 1.5,
  points: {show: false},
  value: (_, v) => (v === null || v === undefined ? '–' : value(v)),
  ...extra,
});

/// A chart in `id`; `series`: [label, colour, format]. `x`: how its first column is shown.
export class Chart {
  constructor(id, title, series, {x, range, time = true, ySize = 62} = {}) {
    this.box = document.getElementById(id);
    this.title = title;
    this.data = [[], ...series.map(() => [])];
    this.plot = new uPlot({
      width: this.width(),
      height: HEIGHT_PX,
      ms: 1,
      scales: {x: {time}, y: {range: range ?? ((_, low, high) => [0, high > 0 ? high * 1.08 : 1])}},
      cursor: {points: {size: 6}, drag: {x: false, y: false}},
      axes: [axis(x ?? ((v) => format.clock(v)), {space: 90}),
        axis(series[0][2], {size: ySize, ...(series[0][2] === format.bytes && {incrs: POWERS})})],
      series: [{label: '', value: (_, v) => (v === null || v === undefined ? '–' : (x ?? format.clock)(v))},
        ...series.map(line)],
    }, this.data, this.box);
    this.box.tabIndex = 0;
    this.box.setAttribute('role', 'img');
    this.box.addEventListener('keydown', (event) => this.key(event));
    this.box.addEventListener('blur', () => this.point(null));
    new ResizeObserver(() => this.plot.setSize({width: this.width(), height: HEIGHT_PX}))
      .observe(this.box);
  }

  width() { return Math.max(this.box.clientWidth, 200); }

  set(data, says) {
    this.data = data;
    this.plot.setData(data);
    this.box.setAttribute('aria-label', `${this.title}: ${says}. Arrow keys walk through it.`);
    if (this.at !== undefined && this.at !== null) {
      this.point(Math.min(this.at, data[0].length - 1));
    } else if (!(this.plot.cursor.left >= 0) && data[0].length > 0) {
      this.plot.setLegend({idx: data[0].length - 1});  // nobody points at it: the newest
    }
  }

  redraw() { this.plot.redraw(false, true); }

  point(at) {
    this.at = at;
    const left = at === null ? -10 : this.plot.valToPos(this.data[0][at], 'x');
    this.plot.setCursor({left, top: at === null ? -10 : 20});
  }

  key(event) {
    const last = this.data[0].length - 1;
    if (last < 0) return;
    const now = this.at ?? last;
    const to = {ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last}[event.key];
    if (to === undefined) return event.key === 'Escape' ? this.point(null) : undefined;
    event.preventDefault();
    return this.point(Math.max(0, Math.min(last, to)));
  }
}
