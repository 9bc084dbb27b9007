// SPDX-License-Identifier: Apache-2.0
//
// Rows of the tables. Text goes in as text: names and keys are strangers' bytes.
import * as format from './format.js';

const SVG = 'http://www.w3.org/2000/svg';
const KINDS = {heap: 'heap', off_heap: 'off heap', shared: 'shared', disk: 'disk'};

export const cell = (text, kind) => {
  const td = document.createElement('td');
  td.textContent = text;
  if (kind) td.className = kind;
  return td;
};

export const fill = (id, rows, empty, columns) => {
  const body = document.querySelector(`#${id} tbody`);
  if (rows.length === 0) {
    const td = cell(empty, 'zero');
    td.colSpan = columns;
    rows = [[td]];
  }
  body.replaceChildren(...rows.map((cells) => {
    const tr = document.createElement('tr');
    tr.append(...cells);
    return tr;
  }));
};

const size = (bytes) => cell(bytes === 0 ? '0' : format.bytes(bytes), bytes === 0 ? 'zero' : '');

// What a place holds, as parts of the largest one.
const bar = (place, most) => {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'bar');
  svg.setAttribute('viewBox', '0 0 1000 10');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('aria-hidden', 'true');
  let at = 0;
  const known = place.live_bytes + place.metadata_bytes + place.garbage_bytes;
  const rest = Math.max(0, place.resident_bytes - known);
  const parts = [['live', place.live_bytes], ['metadata', place.metadata_bytes],
    ['garbage', place.garbage_bytes + rest]];
  for (const [name, bytes] of parts) {
    const width = (most > 0 ? bytes / most : 0) * 1000;
    const box = document.createElementNS(SVG, 'rect');
    box.setAttribute('class', name);
    for (const [key, value] of Object.entries({x: at, y: 0, width, height: 10})) {
      box.setAttribute(key, value);
    }
    svg.append(box);
    at += width;
  }
  const td = document.createElement('td');
  td.className = 'bar-cell';
  td.append(svg);
  return td;
};

export const topology = (components) => {
  const places = components.flatMap((component) => Object.entries(KINDS)
    .map(([key, name]) => ({component: component.name, kind: name, place: component[key]}))
    .filter(({place}, i) => i === 0 || place.resident_bytes + place.live_bytes > 0));
  const most = Math.max(1, ...places.map(({place}) =>
    Math.max(place.resident_bytes, place.live_bytes + place.metadata_bytes + place.garbage_bytes)));
  fill('topology', places.map(({component, kind, place}) => [
    cell(component), cell(kind), bar(place, most),
    place.budget_bytes ? size(place.budget_bytes) : cell('–', 'zero'),
    size(place.live_bytes), size(place.resident_bytes), size(place.metadata_bytes),
    size(place.garbage_bytes)]), 'Nothing is known yet.', 8);
};

export const slow = (entries) => fill('slow', entries.map((entry) => {
  const td = document.createElement('td');
  const code = document.createElement('code');
  code.textContent = entry.words.join(' ') + (entry.more_words ? ' …' : '');
  code.title = entry.peer;
  td.append(code);
  return [cell(format.clock(entry.unix_s * 1000)), cell(format.micros(entry.us)), td];
}), 'No command was slow.', 3);

export const time = (commands) => fill('time', commands.map((command) => [
  cell(command.name), cell(format.count(command.calls)), cell(format.micros(command.seconds * 1e6)),
  cell(format.micros(command.us_p50)), cell(format.micros(command.us_p99)),
]), 'No command has run yet.', 5);

export const facts = (id, pairs) => {
  document.getElementById(id).replaceChildren(...pairs.map(([name, value]) => {
    const div = document.createElement('div');
    const dt = document.createElement('dt');
    const dd = document.createElement('dd');
    dt.textContent = name;
    dd.textContent = value;
    div.append(dt, dd);
    return div;
  }));
};
