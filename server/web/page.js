/**
 * The demo page: the choice of the tally, its state, its sums, and the buttons. list.js draws the cards, place.js the
 * place of one, pgtally.js holds the connection. `?transport=sse` or `longpoll` connects by that.
 *
 * The page never guesses a number. A click waits for the database, and a number changes when the server sends it. While
 * the server does not follow the database, or cannot be reached, the page says so and shows the numbers pale.
 */
import { connect, parse } from './pgtally.js';
import { CardList, dress, element, format, icon } from './list.js';
import { Place } from './place.js';

const wholeMax = 20_000; // a larger tally without texts is not watched whole: its top, and the keys that the reader enters
const topMax = 100;
const spanS = 60; // seconds that the pulse shows
const $ = (id) => document.getElementById(id);

const words = {
  connecting: ['Connecting', ''],
  loading: ['Loading', 'The counters are being read from PostgreSQL.'],
  live: ['Live', 'Every number is what PostgreSQL committed.'],
  stale: ['Stale', 'These are the last values known.'],
  failed: ['Failed', ''],
  empty: ['Connected', ''],
  disconnected: ['Reconnecting', 'The connection was lost.'],
};

const transport = new URLSearchParams(location.search).get('transport');
const client = connect({
  ...(transport && { transports: [transport] }),
  onState: ({ state, reason }) => {
    if (state !== 'connecting') $('retry').hidden = state !== 'waiting';
    writeLink();
    if (state === 'waiting' && !view) enter({ state: 'disconnected', reason });
    if (state === 'open') refresh(); // the server may be another one, with other tallies
  },
});
let tallies = [];
let labelled = []; // the tallies that have texts: those of labels.json
let view = null; // the shown tally: { tally, list, subscriptions, sums, numbers, by, whole, pinned }
let turn = 0; // counts the tallies shown
let changes = 0;
const place = new Place(client, $('place'), () => choose(null));
const history = []; // changes per second, of the last minute at most

// ---- choice of the tally

async function refresh() {
  let answer;
  try {
    const response = await fetch('v1/tallies');
    answer = parse(await response.text());
    if (!response.ok) {
      enter({ state: 'failed', reason: answer.detail });
      return;
    }
  } catch {
    return; // the state line reports the unreachable server
  }
  const names = answer.tallies.map(({ name }) => name);
  const same = names.join() === tallies.map(({ name }) => name).join();
  tallies = answer.tallies;
  if (!same) {
    $('tally').replaceChildren(...names.map((name) => new Option(name)));
    $('choice').hidden = names.length < 2;
  }
  const wanted = tallies.find(({ name }) => name === decode(location.hash.slice(1)))
    ?? tallies.find(({ name }) => name === 'tweets') ?? tallies[0];
  const shape = (tally) => tally && [tally.name, tally.source, tally.counters, tally.actions].join(' ');
  // The number of keys is known only after the load.
  if (wanted?.state === 'loading' && view?.tally.name !== wanted.name) {
    enter({ state: 'loading' });
    setTimeout(refresh, 1_000);
  } else if (shape(wanted) !== shape(view?.tally)) {
    await show(wanted);
  }
  if (!wanted) {
    enter({ state: 'empty' });
    $('none').textContent = 'This server serves no tally yet. Make one by SQL: select tally.create_tally(…)';
  }
  $('none').hidden = Boolean(wanted);
}

async function show(tally) {
  for (const subscription of view?.subscriptions ?? []) subscription.close();
  place.close();
  view?.list.end();
  $('list').replaceChildren();
  $('sums').replaceChildren();
  $('sorts').replaceChildren();
  $('facts').textContent = '';
  history.length = 0;
  changes = 0;
  view = null;
  const mine = ++turn;
  if (!tally) return;

  const labels = await loadLabels(tally.name);
  if (mine !== turn) return; // the reader has chosen another tally meanwhile
  document.title = `${tally.name} · pgtally`;
  $('tally').value = tally.name;
  const list = new CardList($('list'), { ...tally, labels });
  const by = tally.counters.includes('favs') ? 'favs' : tally.counters[0];
  const whole = transport !== 'longpoll' && (Boolean(labels) || tally.size <= wholeMax);
  view = { tally, list, labels, by, whole, numbers: {}, pinned: new Set(), subscriptions: [] };
  drawSums();
  drawSorts();
  list.order(by, $('find').value);
  subscribe();
}

/** The texts of a tally, or null. labels.json names the tallies that have any, so that nothing is asked for in vain. */
async function loadLabels(name) {
  labelled = await load('labels.json') ?? labelled;
  return labelled.includes(name) ? load(`labels/${encodeURIComponent(name)}.json`) : null;
}

async function load(url) {
  try {
    const response = await fetch(url);
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

function subscribe() {
  const mine = view;
  const { tally, list, whole, by, subscriptions } = mine;
  for (const subscription of subscriptions.splice(0)) subscription.close();
  let told = 'connecting';
  const handlers = {
    onState: (state) => { told = state.state; enter(state); },
    onChange: (changed) => {
      for (const [key, counters] of changed) list.set(key, counters);
      if (mine.labels && [...changed.keys()].some((key) => !Object.hasOwn(mine.labels, key))) learn();
      if (told === 'live') changes += changed.size; // values that come before are old
    },
    onError: ({ message }) => tell('There is no such key', asSentence(message)),
  };
  // The sum is asked for first, so that a tally that can be read in no other way has it.
  subscriptions.push(client.sum(tally.name, { onChange: writeSums }));
  mine.keys = client.subscribe(whole ? { tally: tally.name } : { tally: tally.name, keys: mine.pinned }, handlers);
  subscriptions.push(mine.keys);
  if (!whole) subscriptions.push(client.top(tally.name, { by, limit: topMax }, { onChange: (top) => follow(mine, top) }));
}

/** Follows the keys of the top by name, beside those that the reader entered. */
function follow({ keys, list, pinned }, top) {
  const wanted = new Map(top.map(({ key, counters }) => [key, counters]));
  keys.untrack([...keys.values.keys()].filter((key) => !wanted.has(key) && !pinned.has(key)));
  keys.track([...wanted.keys()]);
  // What is followed by name is never older than the list.
  list.only([...new Map([...wanted, ...keys.values])]);
}

// ---- incoming changes

/** Fetches the label of a key that appears while the page is open: the label may arrive after the first like. */
async function learn() {
  const mine = view;
  if (mine.learning) return;
  mine.learning = true;
  for (let pauseMs = 1_000; mine === view; pauseMs = Math.min(2 * pauseMs, 60_000)) {
    const labels = await loadLabels(mine.tally.name);
    if (mine !== view) return;
    if (labels) mine.labels = labels;
    const all = labels && mine.list.learn(labels);
    await new Promise((resolve) => { setTimeout(resolve, pauseMs); });
    if (all) break;
  }
  mine.learning = false;
}

function drawSums() {
  for (const name of view.tally.counters) {
    const { icon: shape, many } = dress(name);
    const row = element('div', 'sum');
    row.dataset.hue = name;
    view.numbers[name] = element('dd', '', '0');
    row.append(icon(shape), element('dt', '', many), view.numbers[name]);
    $('sums').append(row);
  }
}

function writeSums({ sum, size }) {
  const { tally, labels, list, whole, numbers } = view;
  for (const [name, number] of Object.entries(numbers)) {
    const text = format.format(sum[name]);
    if (number.textContent === text) continue;
    number.textContent = text;
    number.classList.toggle('long', text.length > 13);
  }
  const many = labels ? Math.max(list.size, size) : size;
  const what = labels ? 'messages' : many === 1 ? 'key' : 'keys';
  const facts = `${format.format(many)} ${what}, counted over ${tally.source}`
    + (whole ? many > 1000 ? '\nThe first 1,000 of the order are shown.' : '' : `\nThe first ${topMax} are shown: type a key and Enter to follow another.`);
  if ($('facts').textContent !== facts) $('facts').textContent = facts;
}

function enter({ state, reason }) {
  const [word, explanation] = words[state] ?? [state, ''];
  const sentence = asSentence(reason);
  const text = [sentence, state === 'disconnected' && sentence ? '' : explanation].filter(Boolean).join(' ');
  $('state').dataset.state = state;
  if ($('state-word').textContent !== word) $('state-word').textContent = word;
  if ($('state-reason').textContent !== text) $('state-reason').textContent = text;
  for (const id of ['list', 'sums']) $(id).dataset.old = String(state !== 'live');
}

const links = { websocket: 'WebSocket', sse: 'Server-Sent Events', longpoll: 'long poll' };

/** How the page is connected, and why not by the best way. */
function writeLink() {
  const { transport, reason } = client;
  $('link').textContent = transport ? `By ${links[transport]}${reason ? `. ${asSentence(reason)}` : ''}` : '';
}

// ---- order and search

function drawSorts() {
  const orders = [...view.tally.counters.map((name) => [name, dress(name).sort])];
  orders.sort(([a], [b]) => (b === view.by) - (a === view.by));
  if (view.whole) orders.push([null, view.labels ? 'In order' : 'By key']);
  for (const [by, text] of orders) {
    const made = element('button', '', text);
    made.type = 'button';
    made.ariaPressed = String(by === view.by);
    made.addEventListener('click', () => {
      view.by = by;
      for (const other of $('sorts').children) other.ariaPressed = String(other === made);
      view.list.order(by, $('find').value);
      if (!view.whole) subscribe();
      choose(place.key);
    });
    $('sorts').append(made);
  }
}

$('find').addEventListener('input', () => view?.list.order(view.by, $('find').value));
// Keys that the reader enters, for a tally that is too large to be watched whole.
$('find').addEventListener('change', () => {
  const key = $('find').value.trim();
  if (!view || view.whole || key === '') return;
  view.pinned.add(key);
  view.keys.track([key]);
  $('find').value = '';
  view.list.order(view.by, '');
});
$('retry').addEventListener('click', () => client.retry());
$('tally').addEventListener('change', () => { location.hash = encodeURIComponent($('tally').value); });
addEventListener('hashchange', refresh);

// ---- actions

/** Shows the place of this key; null: of none. */
function choose(key) {
  view.list.choose(key);
  if (key === null) {
    place.close();
    return;
  }
  const { tally, labels, by } = view;
  const nameOf = (one) => labels?.[one]?.text?.split('\n')[0] ?? (one === '' ? '(empty)' : one);
  place.show({ tally: tally.name, key, by: by ?? tally.counters[0], nameOf });
}

$('list').addEventListener('click', ({ target }) => {
  const pressed = target.closest('button[data-action]');
  if (pressed) act(pressed, target.closest('.card').dataset.key);
  const located = target.closest('.locate') && target.closest('.card').dataset.key;
  if (located !== null) choose(located === place.key ? null : located);
});

async function act(pressed, key) {
  const { name } = view.tally;
  pressed.ariaBusy = 'true';
  try {
    // When this resolves, the subscription has the number, and the next frame shows it.
    const { applied } = await client.act(name, key, pressed.dataset.action);
    if (!applied) tell('Done', 'It is committed. The number follows as soon as the server has caught up.');
  } catch ({ code, title, message }) {
    if (code === 'unreachable') tell('The server cannot be reached', 'Whether it was done is not known: watch the number.');
    else tell(title ?? 'It was refused', asSentence(message));
  } finally {
    pressed.ariaBusy = null;
  }
}

// The arrow keys move to the same button of the next or previous card.
$('list').addEventListener('keydown', (event) => {
  const step = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key];
  const action = event.target.dataset.action;
  const next = step && action && event.target.closest('.card')[step]?.querySelector(`button[data-action="${action}"]`);
  if (!next) return;
  event.preventDefault();
  next.focus();
});

function tell(title, detail) {
  const text = `${title}\n${detail}`;
  for (const old of $('toasts').children) if (old.dataset.text === text) old.remove();
  const toast = element('div', 'toast');
  toast.dataset.text = text;
  const body = element('div', '');
  body.append(element('strong', '', title), detail);
  const close = element('button', '', '×');
  close.type = 'button';
  close.ariaLabel = 'Close';
  close.addEventListener('click', () => toast.remove());
  toast.append(body, close);
  $('toasts').append(toast);
  if ($('toasts').children.length > 3) $('toasts').firstElementChild.remove();
  setTimeout(() => toast.remove(), 10_000);
}

// ---- the pulse: changes per second, of the last minute

setInterval(() => {
  if (history.push(changes) > spanS) history.shift();
  $('rate').textContent = format.format(changes);
  changes = 0;
  if (document.hidden) return;
  const most = Math.max(8, ...history);
  const x = (at) => ((240 * (spanS - history.length + at)) / (spanS - 1)).toFixed(1); // the newest at the right
  const points = history.map((value, at) => `${x(at)},${(42 - (value / most) * 38).toFixed(1)}`).join('L');
  $('spark').querySelector('.line').setAttribute('d', `M${points}`);
  $('spark').querySelector('.area').setAttribute('d', `M${x(0)},44L${points}L240,44Z`);
}, 1_000);

function asSentence(text) {
  return text ? `${text[0].toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) ? '' : '.'}` : '';
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

await refresh();
setInterval(() => { if (!document.hidden) refresh(); }, 10_000);
