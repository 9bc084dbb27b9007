// SPDX-License-Identifier: Apache-2.0
//
// Growth as it happens: the newest events, a bounded number of rows.
import * as format from './format.js';
import {cell} from './tables.js';

const ROWS_MAX = 60;
const WORDS = {
  first: 'begins', split: 'segment splits', stretched: 'segment stretches', merged: 'segments merge',
  shrunk: 'memory goes back', poor_hash: 'crowded segment', denied: 'denied by the budget',
  evicted: 'entries evicted',
};

// What pressed for it, where something did.
const PRESSURES = {limit: 'limit', process: 'process', cgroup: 'cgroup', stalled: 'stalled'};

function what(event) {
  const word = WORDS[event.kind] ?? event.kind;
  const pressure = PRESSURES[event.cause];
  return pressure === undefined ? word : `${word} (${pressure})`;
}

export class Growth {
  constructor() {
    this.body = document.querySelector('#events tbody');
    this.seen = 0;
    this.missed = 0;
  }

  add({events, missed}) {
    this.missed += this.seen === 0 ? 0 : missed;
    const fresh = events.filter((event) => event.id > this.seen);
    // A server that was started anew counts from one again.
    const rows = (fresh.length === 0 ? events : fresh).map((event) => {
      const tr = document.createElement('tr');
      tr.className = 'fresh';
      tr.dataset.id = event.id;
      tr.append(cell(format.clock(event.unix_ms)), cell(what(event)),
        cell(`${format.bytes(event.bytes_before)} → ${format.bytes(event.bytes_after)}`),
        cell(format.count(event.moved)), cell(format.count(event.elements)));
      return tr;
    });
    if (events.length > 0) this.seen = events[events.length - 1].id;
    this.body.querySelector('td[colspan]')?.parentElement.remove();
    this.body.prepend(...rows.reverse());
    while (this.body.rows.length > ROWS_MAX) this.body.lastElementChild.remove();
    setTimeout(() => rows.forEach((tr) => tr.classList.remove('fresh')), 1500);
  }

  totals(growth) {
    const missed = this.missed > 0 ? `; ${format.count(this.missed)} more came too fast to show` : '';
    document.getElementById('growth-totals').textContent =
      `${format.count(growth.splits)} splits, ${format.count(growth.stretches)} stretches, ` +
      `${format.count(growth.merges)} merges since the start; at most ` +
      `${format.count(growth.operation_moves_max)} entries moved by one operation${missed}.`;
  }
}
