// SPDX-License-Identifier: Apache-2.0
//
// The page: history first, then what the server tells once a second.
import {Chart} from './charts.js';
import * as format from './format.js';
import {Growth} from './growth.js';
import * as tables from './tables.js';

const SAMPLES_MAX = 600;
const QUIET_MS = 5000;  // without a word for longer, the connection counts as lost
const root = document.documentElement;
const at = (id) => document.getElementById(id);
const say = (id, text) => { at(id).textContent = text; };

// --- Light and dark: the system's choice until somebody chooses.
const system = matchMedia('(prefers-color-scheme: light)');
let chosen = null;
const paint = () => {
  root.classList.toggle('light', chosen === null ? system.matches : chosen === 'light');
  for (const chart of Object.values(charts)) chart.redraw();
};

const per_second = (n) => `${format.count(n)}/s`;
const charts = {
  commands: new Chart('chart-commands', 'Commands and errors per second',
    [['commands', 'a', format.count], ['errors', 'd', format.count]]),
  memory: new Chart('chart-memory', 'Memory', [['resident', 'b', format.bytes],
    ['granted', 'a', format.bytes], ['allowed', 'quiet', format.bytes, {dash: [4, 4]}]], {ySize: 74}),
  hits: new Chart('chart-hits', 'Hit ratio', [['hit ratio', 'c', format.percent]], {range: [0, 1]}),
  growth: new Chart('chart-growth', 'Entries per second', [['moved', 'a', format.count],
    ['evicted', 'd', format.count], ['expired', 'b', format.count]]),
  curve: new Chart('chart-curve', 'Miss ratio by size', [['miss ratio', 'c', format.percent,
    {points: {show: true, size: 6}}]], {time: false, x: (v) => `${v} %`}),
};
system.addEventListener('change', paint);
paint();

// --- History: columns, the newest last.
const columns = ['unix_ms', 'commands', 'errors', 'hits', 'misses', 'moved', 'evicted', 'expired',
  'resident_bytes', 'granted_bytes', 'allowed_bytes'];
let history = Object.fromEntries(columns.map((name) => [name, []]));
const last = (name) => history[name].at(-1) ?? 0;
const recent = (name) => history[name].slice(-10).reduce((sum, n) => sum + n, 0);

const draw = () => {
  const h = history;
  const x = h.unix_ms;
  charts.commands.set([x, h.commands, h.errors], `${format.count(last('commands'))} commands now`);
  // No budget is told as the largest number there is.
  const allowed = h.allowed_bytes.map((n) => (n > 1e15 ? null : n));
  charts.memory.set([x, h.resident_bytes, h.granted_bytes, allowed],
    `${format.bytes(last('resident_bytes'))} resident`);
  const ratio = x.map((_, i) => (h.hits[i] + h.misses[i] === 0 ? null
    : h.hits[i] / (h.hits[i] + h.misses[i])));
  charts.hits.set([x, ratio], ratio.at(-1) == null ? 'no reads now' : `${format.percent(ratio.at(-1))} now`);
  charts.growth.set([x, h.moved, h.evicted, h.expired], `${format.count(last('moved'))} moved now`);
};

const take_history = (told) => {
  history = Object.fromEntries(columns.map((name) => [name, told[name] ?? []]));
  draw();
};

// The server keeps a sample a second; between two of its histories we make our own from its totals.
let before = null;
const sample = (status) => {
  const tier = status.tiers[0];
  const now = {commands: status.commands_total, errors: status.errors_total, hits: tier.hits,
    misses: tier.misses, moved: status.growth.moved, evicted: tier.evicted, expired: tier.expired};
  if (before !== null && status.unix_ms > before.unix_ms && status.run_id === before.run_id) {
    const seconds = (status.unix_ms - before.unix_ms) / 1000;
    history.unix_ms.push(status.unix_ms);
    for (const [name, value] of Object.entries(now)) {
      history[name].push(Math.max(0, Math.round((value - before[name]) / seconds)));
    }
    history.resident_bytes.push(status.budget.resident_bytes);
    history.granted_bytes.push(status.budget.granted_bytes);
    history.allowed_bytes.push(status.budget.allowed_bytes);
    for (const name of columns) {
      if (history[name].length > SAMPLES_MAX) history[name].shift();
    }
  }
  before = {...now, unix_ms: status.unix_ms, run_id: status.run_id};
};

// --- What one status shows.
const show_now = (status) => {
  const {budget} = status;
  const reads = recent('hits') + recent('misses');
  const tier = status.tiers[0];
  say('about', `${status.version} · up ${format.span(status.uptime_s)} · ${location.host}`);
  say('now-commands', format.count(status.commands_per_second));
  say('now-errors', `per second · ${format.count(status.errors_total)} errors`);
  say('now-hits', reads === 0 ? '–' : format.percent(recent('hits') / reads));
  say('now-reads', reads === 0 ? 'no reads in 10 s' : `last 10 s · ${per_second(Math.round(reads / 10))}`);
  say('now-resident', format.bytes(budget.resident_bytes));
  say('now-allowed', budget.limit_bytes ? `${format.bytes(budget.granted_bytes)} of ${format.bytes(budget.allowed_bytes)}`
    : 'no bound');
  say('now-pressure', budget.pressure);
  at('now-pressure').classList.toggle('bad-figure', budget.pressure !== 'none');
  say('now-denied', `${format.count(budget.denied)} denied`);
  say('now-keys', format.count(tier.entries));
  say('now-evicted', `${format.count(tier.evicted)} evicted · ${format.count(tier.expired)} expired`);
  say('now-clients', format.count(status.clients));
  say('now-threads', `${status.threads} thread${status.threads === 1 ? '' : 's'}`);
};

const show_curve = ({sampled, points}) => {
  charts.curve.set([points.map((p) => p.size_percent), points.map((p) => 1 - p.hit_ratio)],
    points.map((p) => `${p.size_percent} %: ${format.percent(1 - p.hit_ratio)}`).join(', ') || 'nothing yet');
  say('curve-about', sampled === 0 ? 'Nothing is known yet: the curve needs reads.'
    : `100 % is the present size; from ${format.count(sampled)} sampled requests.`);
};

const show_cold = (status) => {
  const cold = status.topology.components.find((component) => component.name === 'cold');
  at('cold').hidden = cold === undefined;
  if (cold === undefined) return;
  const tier = status.tiers.find((other) => other.name === 'cold') ?? {};
  const told = Object.entries(tier).filter(([name]) => name !== 'name')
    .map(([name, value]) => [name.replaceAll('_', ' '), typeof value !== 'number' ? String(value)
      : name.endsWith('_bytes') ? format.bytes(value) : format.count(value)]);
  tables.facts('cold-facts', [['resident', format.bytes(cold.heap.resident_bytes + cold.off_heap.resident_bytes)],
    ['on disk', format.bytes(Math.max(cold.disk.live_bytes, cold.disk.resident_bytes))], ...told]);
};

const growth = new Growth();
const show = (status) => {
  sample(status);
  if (paused) return;
  show_now(status);
  tables.topology(status.topology.components);
  show_curve(status.curve);
  show_cold(status);
  growth.totals(status.growth);
  tables.slow(status.slow);
  tables.time(status.commands);
  draw();
  state(status.stopping ? 'stopping' : 'live', !status.stopping);
};

// --- Connection, and the two buttons.
let heard_ms = 0;
let paused = false;
const state = (text, good) => {
  say('state', paused ? 'paused' : text);
  at('state').className = `pill ${good && !paused ? 'good' : 'bad'}`;
};
const pause = () => {
  paused = !paused;
  at('pause').setAttribute('aria-pressed', paused);
  say('pause', paused ? 'Go on' : 'Pause');
  state(paused ? 'paused' : 'live', !paused);
};
const turn = () => {
  chosen = root.classList.contains('light') ? 'dark' : 'light';
  paint();
};
at('pause').addEventListener('click', pause);
at('theme').addEventListener('click', turn);
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'p') pause();
  if (event.key === 't') turn();
});

const load = async () => {
  try {
    take_history(await (await fetch('/v1/history')).json());
  } catch {
    state('no connection', false);
  }
};
const source = new EventSource('/v1/events');
source.addEventListener('open', load);
source.addEventListener('status', (event) => {
  heard_ms = Date.now();
  show(JSON.parse(event.data));
});
source.addEventListener('growth', (event) => {
  if (!paused) growth.add(JSON.parse(event.data));
});
setInterval(() => {
  if (heard_ms > 0 && Date.now() - heard_ms > QUIET_MS) {
    state(`silent for ${format.span(Math.round((Date.now() - heard_ms) / 1000))}`, false);
  }
}, 1000);
tables.fill('events', [], 'None yet: the table grows as keys are written.', 5);
