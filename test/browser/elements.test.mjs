// The custom elements in a browser, under a strict Content-Security-Policy. The server is this file: it routes the files of the
// client, and speaks the protocol of the WebSocket itself.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

// The modules themselves, or the files that the server serves, made from them.
const made = process.env.PGTALLY_CLIENT;
const files = made ? new URL('.', pathToFileURL(made)) : new URL('../../server/web/client/', import.meta.url);
const address = 'http://counters.example/';
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' ws://counters.example";
const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'];

let browser;
let page;
let sockets; // the sockets that the page opened
let faults;
let counters; // key -> its counters
let top;
let holding; // while true, nothing is answered

before(async () => {
  browser = await chromium.launch({ executablePath: process.env.PGTALLY_CHROMIUM ?? '/usr/bin/chromium', args: flags });
});
after(() => browser?.close());
beforeEach(() => {
  sockets = [];
  faults = [];
  counters = new Map();
  top = [];
  holding = false;
});
afterEach(async () => {
  await page?.close();
  assert.deepEqual(faults, []);
});

/** What a server does, as far as these elements ask. */
class Server {
  subscriptions = new Map(); // id -> the message
  revision = 1;
  waiting = [];

  constructor(route) {
    this.route = route;
    sockets.push(this);
    route.onMessage((text) => {
      if (holding) this.waiting.push(text);
      else this.take(JSON.parse(text));
    });
  }

  release() {
    for (const text of this.waiting.splice(0)) this.take(JSON.parse(text));
  }

  take(message) {
    const { type, id } = message;
    if (type === 'ping') this.say({ type: 'pong' });
    if (type === 'subscribe') this.subscriptions.set(id, message);
    if (type === 'track') this.subscriptions.get(id).keys.push(...message.keys);
    if (type === 'untrack') this.subscriptions.get(id).keys = this.subscriptions.get(id).keys.filter((key) => !message.keys.includes(key));
    if (type === 'subscribe' && message.top) this.say({ ...this.head('snapshot', id), top: top.slice(0, message.top.limit) });
    else if (type === 'subscribe' || type === 'track') this.say({ ...this.head('snapshot', id), keys: this.of(message.keys) });
    if (type === 'unsubscribe') this.subscriptions.delete(id);
  }

  head(type, id) { return { type, id, epoch: 'e', revision: this.revision, state: 'live' }; }
  of(keys) { return Object.fromEntries(keys.map((key) => [key, counters.get(key) ?? { favs: 0, rts: 0 }])); }
  say(message) { this.route.send(JSON.stringify(message)); }

  set(key, now) {
    counters.set(key, now);
    this.revision += 1;
    for (const [id, { keys }] of this.subscriptions) {
      if (keys?.includes(key)) this.say({ type: 'change', id, revision: this.revision, keys: { [key]: now } });
    }
  }

  setTop(list) {
    top = list;
    this.revision += 1;
    for (const [id, asked] of this.subscriptions) if (asked.top) this.say({ type: 'change', id, revision: this.revision, top });
  }

  states(state, reason) {
    for (const id of this.subscriptions.keys()) this.say({ type: 'state', id, state, reason });
  }
}

async function open(body, { clock, ...options } = {}) {
  page = await browser.newPage(options);
  if (clock) await page.clock.install();
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (said) => { if (said.type() === 'error') faults.push(said.text()); });
  await page.routeWebSocket(/\/v1\/ws$/, (route) => { void new Server(route); });
  await page.route(`${address}**`, async (route) => {
    const { pathname } = new URL(route.request().url());
    const page_ = `<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title><link rel="icon" href="data:,">
      <script type="module" src="pgtally-elements.js"></script><body>${body}`;
    if (pathname === '/') return route.fulfill({ contentType: 'text/html', body: page_, headers: { 'Content-Security-Policy': policy } });
    return route.fulfill({ contentType: 'text/javascript', body: await readFile(new URL(`.${pathname}`, files)) });
  });
  await page.goto(address);
}

const shown = (selector) => page.$eval(selector, (element) => element.root.querySelector('[part=number]:not([hidden])')?.textContent ?? element.textContent);
const becomes = (selector, text) => page.waitForFunction(([at, wanted]) => document.querySelector(at)
  .root.querySelector('[part=number]:not([hidden])')?.textContent === wanted, [selector, text]);
const rows = () => page.$eval('live-top', (element) => [...element.root.querySelectorAll('li')].map((row) => row.textContent));

test('the text inside stays until the first snapshot, and the number follows', async () => {
  holding = true;
  counters.set('33', { favs: 1234, rts: 5 });
  await open('<live-counter tally="tweets" item="33" counter="favs">twelve</live-counter>');
  await page.waitForSelector('live-counter[state=connecting]');
  assert.equal(await shown('live-counter'), 'twelve');
  holding = false;
  await page.waitForFunction(() => document.readyState === 'complete');
  while (!sockets[0]?.waiting.length) await page.evaluate(() => new Promise(requestAnimationFrame));
  sockets[0].release();
  await becomes('live-counter', '1,234');
  await page.waitForSelector('live-counter[state=live]');
  sockets[0].set('33', { favs: 1235, rts: 5 });
  await becomes('live-counter', '1,235');
});

test('attributes say what is shown: counter, notation, item, language', async () => {
  counters.set('33', { favs: 123_456, rts: 5 });
  counters.set('34', { favs: 7, rts: 8 });
  await open('<div lang="de"><live-counter tally="tweets" item="33" counter="favs">–</live-counter></div>');
  await becomes('live-counter', '123.456');
  const set = (name, value) => page.$eval('live-counter', (element, [at, to]) => element.setAttribute(at, to), [name, value]);
  await set('counter', 'rts');
  await becomes('live-counter', '5');
  await page.$eval('div', (element) => { element.lang = 'en'; });
  await set('notation', 'compact');
  await set('counter', 'favs');
  await becomes('live-counter', '123K');
  await set('item', '34');
  await becomes('live-counter', '7');
});

test('the state is an attribute and a CSS state', async () => {
  await open('<live-counter tally="tweets" item="33" counter="favs">–</live-counter>');
  await page.waitForSelector('live-counter[state=live]');
  sockets[0].states('stale', 'PostgreSQL is away');
  await page.waitForSelector('live-counter[state=stale]');
  assert.equal(await page.$eval('live-counter', (element) => element.matches(':state(stale)') && !element.matches(':state(live)')), true);
});

test('300 elements are live over one socket, and what leaves the page is forgotten', async () => {
  const many = Array.from({ length: 300 }, (_, at) => `<live-counter tally="tweets" item="${at}" counter="favs">–</live-counter>`);
  for (let at = 0; at < 300; ++at) counters.set(String(at), { favs: at, rts: 0 });
  await open(many.join(''));
  await page.waitForFunction(() => document.querySelectorAll('live-counter[state=live]').length === 300);
  const numbers = await page.$$eval('live-counter', (all) => all.map(({ number }) => number.textContent));
  assert.deepEqual(numbers, Array.from({ length: 300 }, (_, at) => String(at)));
  assert.equal(sockets.length, 1);
  await page.evaluate(() => document.body.replaceChildren());
  while (sockets[0].subscriptions.size) await page.evaluate(() => new Promise(requestAnimationFrame));
});

test('an element that is moved keeps its number', async () => {
  counters.set('33', { favs: 3, rts: 0 });
  await open('<div></div><live-counter tally="tweets" item="33" counter="favs">–</live-counter>');
  await becomes('live-counter', '3');
  holding = true;
  await page.evaluate(() => document.querySelector('div').append(document.querySelector('live-counter')));
  await page.evaluate(() => Promise.resolve());
  assert.equal(await shown('div live-counter'), '3');
});

test('a screen reader is told the number once, then its newest value', async () => {
  counters.set('33', { favs: 3, rts: 0 });
  await open('<live-counter tally="tweets" item="33" counter="favs">–</live-counter>', { clock: true });
  await becomes('live-counter', '3');
  sockets[0].set('33', { favs: 4, rts: 0 });
  await becomes('live-counter', '4');
  const told = () => page.$eval('live-counter', ({ told: { ariaLive, textContent } }) => `${ariaLive} ${textContent}`);
  assert.equal(await told(), 'polite 3');
  await page.clock.runFor(5_000);
  assert.equal(await told(), 'polite 4');
});

test('a number moves into its place, but not for those who want it still', async () => {
  for (const reducedMotion of ['no-preference', 'reduce']) {
    counters.set('33', { favs: 3, rts: 0 });
    await open('<live-counter tally="tweets" item="33" counter="favs">–</live-counter>', { reducedMotion });
    await page.evaluate(() => {
      globalThis.moved = 0;
      const { animate } = Element.prototype;
      Element.prototype.animate = function count(...how) { globalThis.moved += 1; return animate.apply(this, how); };
    });
    await becomes('live-counter', '3');
    sockets.at(-1).set('33', { favs: 4, rts: 0 });
    await becomes('live-counter', '4');
    assert.equal(await page.evaluate(() => globalThis.moved > 0), reducedMotion === 'no-preference');
    if (reducedMotion !== 'reduce') await page.close();
  }
});

test('a top is a list that follows, with the labels of the page, as text', async () => {
  top = [['33', 9], ['34', 8], ['35', 7]].map(([key, favs]) => ({ key, counters: { favs, rts: 0 } }));
  await open('<live-top tally="tweets" by="favs" limit="2">none yet</live-top>');
  await page.waitForSelector('live-top[state=live]');
  assert.deepEqual(await rows(), ['339', '348']);
  sockets[0].setTop([{ key: '35', counters: { favs: 10, rts: 0 } }, { key: '33', counters: { favs: 9, rts: 0 } }]);
  await page.waitForFunction(() => document.querySelector('live-top').root.querySelector('li').textContent === '3510');
  assert.deepEqual(await rows(), ['3510', '339']);
  await page.$eval('live-top', (element) => { element.label = (key) => `<b>${key}</b> `; });
  assert.deepEqual(await rows(), ['<b>35</b> 10', '<b>33</b> 9']);
});
