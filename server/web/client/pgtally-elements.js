/**
 * Custom elements, ready after this module was imported:
 *
 *     <live-counter tally="tweets" item="33" counter="favs">12</live-counter>
 *     <live-top tally="tweets" by="favs" limit="10"></live-top>
 *
 * live-counter   a counter of a key (`counter` omitted: the tally's first). The text inside stays until the server has said
 *                the number. `notation` is that of Intl.NumberFormat, as in "compact"; the language is that of the page.
 * live-top       the keys with the most, as a list. Its property `label` is a function that makes a key's text.
 * both           `server`: URL of the endpoint, if it is not beside this file. All elements of a server share one client, and so one
 *                socket; useClient(client) makes them use the page's own.
 *
 * The attribute `state`, and the CSS state of that name (`live-counter:state(stale)`), say how far the number is to be trusted:
 * 'connecting', 'loading', 'live', 'stale', 'failed' or 'disconnected'. Parts to style: number; list, item, key, number.
 *
 * A number that is shown is one that the server said: it moves into its place, it does not count up to it. It stands still
 * for those who ask for that. Screen readers are told politely, and at most every five seconds. The styles are adopted sheets,
 * so a Content-Security-Policy needs no 'unsafe-inline'.
 */
import { connect } from './pgtally.js';

const announceMs = 5_000;
const moveMs = 250;
const clients = new Map(); // the server's URL, '' for the one beside this file -> client
const formats = new Map();
const isBrowser = typeof HTMLElement === 'function';
const stillness = isBrowser && matchMedia('(prefers-reduced-motion: reduce)');

/** Makes the elements use this client. Call it before the first element is in the page. */
export function useClient(client, server = '') {
  clients.set(server, client);
}

function clientOf(server) {
  if (!clients.has(server)) clients.set(server, connect(server ? { url: server } : {}));
  return clients.get(server);
}

function formatOf(language, notation) {
  const name = `${language} ${notation}`;
  if (!formats.has(name)) formats.set(name, makeFormat(language, notation));
  return formats.get(name);
}

function makeFormat(language, notation) {
  const known = /^(standard|compact|scientific|engineering)$/.test(notation) ? notation : 'standard';
  try {
    return new Intl.NumberFormat(language || undefined, { notation: known });
  } catch { // a lang that is none
    return new Intl.NumberFormat(undefined, { notation: known });
  }
}

const style = `
  :host { font-variant-numeric: tabular-nums; }
  :host([state="stale"]), :host([state="disconnected"]), :host([state="failed"]) { opacity: .6; }
  [hidden] { display: none; }
  [part="number"] { display: inline-block; }
  .told { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  ol { margin: 0; padding: 0; list-style: none; }
  li { display: flex; justify-content: space-between; gap: 1em; }`;
let sheet;

/** What both have in common: when they follow, their state, and how they speak. */
class Live extends (isBrowser ? HTMLElement : Object) {
  constructor() {
    super();
    this.root = this.attachShadow({ mode: 'open' });
    sheet ??= new CSSStyleSheet();
    if (!sheet.cssRules.length) sheet.replaceSync(style);
    this.root.adoptedStyleSheets = [sheet];
    this.internals = this.attachInternals();
    this.told = made('span', { className: 'told', ariaLive: 'polite' });
    this.announcing = 0;
  }

  connectedCallback() { this.soon(); }
  disconnectedCallback() { this.soon(); }
  attributeChangedCallback(name, before, now) {
    if (before !== now) this.soon();
  }

  /** Attributes come one by one, and an element that is moved leaves and comes: what counts is how it is afterwards. */
  soon() {
    if (this.waiting) return;
    this.waiting = true;
    queueMicrotask(() => {
      this.waiting = false;
      const wanted = this.isConnected ? this.request() : null;
      const name = wanted && JSON.stringify([wanted, this.getAttribute('server')]);
      if (name !== this.followed) this.follow(wanted, name);
      else if (wanted) this.draw();
    });
  }

  follow(wanted, name) {
    this.subscription?.close();
    clearTimeout(this.announcing);
    this.announcing = 0;
    this.subscription = null;
    this.followed = name;
    this.forget();
    if (!wanted) {
      this.enter(null);
      return;
    }
    this.enter('connecting');
    const client = clientOf(this.getAttribute('server') ?? '');
    const handlers = { onChange: (value) => this.take(value), onState: ({ state }) => this.enter(state), onError: () => this.enter('failed') };
    try {
      this.subscription = this.ask(client, wanted, handlers);
    } catch (error) {
      this.enter('failed');
      throw error;
    }
  }

  enter(state) {
    const { states } = this.internals;
    try {
      states?.clear();
      if (state) states?.add(state);
    } catch { /* older browsers want names that begin with two dashes: the attribute is there */ }
    if (state) this.setAttribute('state', state);
    else this.removeAttribute('state');
  }

  format(number) {
    const language = this.closest('[lang]')?.lang ?? '';
    return formatOf(language, this.getAttribute('notation')).format(number);
  }

  /** Tells screen readers the newest text, and then nothing for a while. */
  announce(text) {
    this.news = text;
    if (this.announcing) return;
    const tell = () => {
      this.announcing = 0;
      if (this.news === this.told.textContent) return;
      this.told.textContent = this.news;
      this.announcing = setTimeout(tell, announceMs);
    };
    tell();
  }
}

export class LiveCounter extends Live {
  static observedAttributes = ['tally', 'item', 'counter', 'notation', 'server'];

  constructor() {
    super();
    this.before = made('slot');
    this.number = made('span', { hidden: true, ariaHidden: 'true' });
    this.number.setAttribute('part', 'number');
    this.root.append(this.before, this.number, this.told);
    this.value = undefined;
  }

  request() {
    const [tally, item] = [this.getAttribute('tally'), this.getAttribute('item')];
    return tally && item !== null ? { tally, item } : null;
  }

  ask(client, { tally, item }, handlers) {
    return client.value(tally, item, handlers);
  }

  take(counters) {
    this.counters = counters;
    this.draw();
  }

  forget() {
    this.counters = this.value = undefined;
  }

  draw() {
    if (!this.counters) return;
    const value = this.counters[this.getAttribute('counter') ?? Object.keys(this.counters)[0]];
    if (value === undefined) {
      this.enter('failed'); // the tally has no such counter
      return;
    }
    const text = this.format(value);
    const before = this.value;
    this.value = value;
    this.before.hidden = true;
    this.number.hidden = false;
    if (this.number.textContent === text) return;
    this.number.textContent = text;
    this.announce(text);
    if (before !== undefined && before !== value) slide(this.number, value > before ? '.4em' : '-.4em');
  }
}

export class LiveTop extends Live {
  static observedAttributes = ['tally', 'by', 'limit', 'notation', 'server'];

  constructor() {
    super();
    this.before = made('slot');
    this.list = made('ol', { hidden: true });
    this.list.setAttribute('part', 'list');
    this.root.append(this.before, this.list, this.told);
    this.rows = new Map(); // key -> { row, name, number }
    this.makeLabel = (key) => key;
  }

  get label() { return this.makeLabel; }
  set label(makeLabel) {
    this.makeLabel = makeLabel;
    this.draw();
  }

  request() {
    const [tally, by] = [this.getAttribute('tally'), this.getAttribute('by')];
    const limit = Math.min(Math.max(Number.parseInt(this.getAttribute('limit') ?? '10', 10) || 10, 1), 1_000);
    return tally && by ? { tally, by, limit } : null;
  }

  ask(client, { tally, by, limit }, handlers) {
    return client.top(tally, { by, limit }, handlers);
  }

  take(top) {
    this.top = top;
    this.draw();
  }

  forget() {
    this.top = undefined;
    this.rows.clear();
    this.list.replaceChildren();
    this.list.hidden = true;
    this.before.hidden = false;
  }

  draw() {
    if (!this.top) return;
    const moves = !stillness.matches && this.rows.size > 0;
    const places = moves ? new Map([...this.rows].map(([key, { row }]) => [key, row.offsetTop])) : null;
    const by = this.getAttribute('by');
    const rows = new Map();
    for (const { key, counters } of this.top) {
      const shown = this.rows.get(key) ?? this.makeRow();
      shown.name.textContent = this.makeLabel(key);
      const text = this.format(counters[by]);
      if (shown.number.textContent !== text) shown.number.textContent = text;
      rows.set(key, shown);
    }
    this.rows = rows;
    this.before.hidden = true;
    this.list.hidden = false;
    this.list.replaceChildren(...[...rows.values()].map(({ row }) => row));
    const [first] = this.top;
    if (first) this.announce(`${this.makeLabel(first.key)} ${this.format(first.counters[by])}`);
    for (const [key, was] of places ?? []) {
      const row = rows.get(key)?.row;
      if (row && row.offsetTop !== was) slide(row, `${was - row.offsetTop}px`);
    }
  }

  makeRow() {
    const [row, name, number] = ['li', 'span', 'span'].map((tag) => made(tag));
    for (const [element, part] of [[row, 'item'], [name, 'key'], [number, 'number']]) element.setAttribute('part', part);
    row.append(name, number);
    return { row, name, number };
  }
}

function made(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

/** Lets an element slide to where it is. */
function slide(element, from) {
  if (stillness.matches || document.hidden || !element.animate) return;
  element.animate({ transform: [`translateY(${from})`, 'none'], opacity: [0.5, 1] }, { duration: moveMs, easing: 'ease-out' });
}

if (isBrowser && !customElements.get('live-counter')) {
  customElements.define('live-counter', LiveCounter);
  customElements.define('live-top', LiveTop);
}
