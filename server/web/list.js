/**
 * The cards of the demo page: one per key, sorted; a card moves smoothly when its place changes. This file knows
 * nothing of the server.
 *
 * All changes between two frames are written to the document once, in the next frame. The order is updated less often
 * than the numbers, and not while the reader points at a button or moves by keyboard, so that no button moves away
 * under a click. Text is inserted as text, never as HTML.
 */

const shownMax = 1000;
const reorderEveryMs = 800;
const stillness = matchMedia('(prefers-reduced-motion: reduce)');
const canHover = matchMedia('(hover: hover)');
export const format = new Intl.NumberFormat('en');

/** Display names for the demo's counters; other counters are shown by their own names. */
const known = {
  favs: { icon: 'heart', many: 'likes', sort: 'Most liked' },
  rts: { icon: 'repeat', many: 'retweets', sort: 'Most retweeted' },
};
const verbs = { fav: 'Like', unfav: 'Take a like back', rt: 'Retweet', unrt: 'Take a retweet back' };
export const dress = (name) => known[name] ?? { icon: 'tally', many: name, sort: `By ${name}` };

export class CardList {
  #element;
  #counters; // [{ name, plus, undo }]: a counter, the action that adds to it, and the action that undoes it
  #others; // actions whose names match no counter
  #labels;
  #entries = new Map();
  #visible = new Set();
  #dirty = new Set();
  #by;
  #chosen = null;
  #words = '';
  #stale = true; // the order may be out of date
  #frame = 0;
  #timer = 0;
  #eye = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) this.#visible[isIntersecting ? 'add' : 'delete'](target);
  });

  constructor(element, { counters, actions, labels }) {
    this.#element = element;
    this.#labels = labels;
    // Counter "favs" has the action "fav", and "unfav" undoes it.
    const named = (name, prefix) => [name, name.replace(/s$/, '')]
      .map((word) => prefix + word).find((action) => actions.includes(action));
    this.#counters = counters.map((name) => ({ name, plus: named(name, ''), undo: named(name, 'un') }));
    const used = this.#counters.flatMap(({ plus, undo }) => [plus, undo]);
    this.#others = actions.filter((action) => !used.includes(action));
    element.replaceChildren();
    const zeros = Object.fromEntries(counters.map((name) => [name, 0]));
    for (const key of Object.keys(labels ?? {})) this.set(key, zeros);
  }

  get size() {
    return this.#entries.size;
  }

  set(key, counters) {
    const entry = this.#entries.get(key);
    if (entry) {
      entry.counters = counters;
      this.#dirty.add(entry);
    } else {
      const rank = /^-?\d+$/.test(key) ? BigInt(key) : null;
      this.#entries.set(key, { key, rank, counters, card: null, shown: {}, label: this.#labels?.[key] });
    }
    this.#stale = true;
    this.#wake();
  }

  /** Adds labels. Returns whether every key has one. */
  learn(labels) {
    this.#labels = labels;
    const zeros = Object.fromEntries(this.#counters.map(({ name }) => [name, 0]));
    for (const key of Object.keys(labels)) if (!this.#entries.has(key)) this.set(key, zeros);
    let all = true;
    for (const entry of this.#entries.values()) {
      if (entry.label) continue;
      entry.label = labels[entry.key];
      if (!entry.label) all = false;
      else if (entry.card) this.#discard(entry.card); // the next frame creates a new one
    }
    this.#stale = true;
    this.#wake();
    return all;
  }

  /** Replaces the list by these: [key, counters] pairs. */
  only(list) {
    const keys = new Set(list.map(([key]) => key));
    for (const key of this.#entries.keys()) if (!keys.has(key)) this.#entries.delete(key);
    for (const [key, counters] of list) this.set(key, counters);
  }

  /** Marks the card of this key, or of none. */
  choose(key) {
    for (const at of [this.#chosen, key]) {
      const { card } = this.#entries.get(at) ?? {};
      if (card) card.querySelector('.locate').ariaPressed = String(at === key);
    }
    this.#chosen = key;
  }

  order(by, words) {
    this.#by = by;
    this.#words = words.trim().toLowerCase();
    this.#stale = true;
    this.#arrange();
  }

  end() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#eye.disconnect();
  }

  #wake() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      for (const entry of this.#dirty) if (entry.card) this.#write(entry);
      this.#dirty.clear();
      if (this.#stale && !this.#timer) {
        this.#arrange();
        this.#timer = setTimeout(() => {
          this.#timer = 0;
          if (this.#stale) this.#wake();
        }, reorderEveryMs);
      }
    });
  }

  #held() {
    const focused = document.activeElement;
    return (focused !== this.#element && this.#element.contains(focused) && focused.matches(':focus-visible'))
      || (canHover.matches && this.#element.matches(':hover') && this.#element.querySelector('button:hover') !== null);
  }

  #arrange() {
    const order = this.#sorted();
    const next = order.map((entry) => entry.card ?? this.#make(entry));
    const list = this.#element;
    const now = [...list.children];
    if (next.length === now.length && next.every((card, at) => card === now[at])) {
      this.#stale = false;
      return;
    }
    if (now.length && this.#held()) return; // the order stays out of date: the timer retries
    this.#stale = false;

    const before = new Map(now.map((card) => [card, card.offsetTop]));
    const kept = new Set(next);
    for (const card of now) if (!kept.has(card)) this.#discard(card);
    const focused = document.activeElement;
    let at = list.firstChild;
    for (const card of next) {
      if (card === at) at = at.nextSibling;
      else list.insertBefore(card, at);
    }
    if (focused !== document.activeElement && list.contains(focused)) focused.focus({ preventScroll: true });
    if (now.length && !stillness.matches) this.#glide(next, before);
  }

  /** Animates each visible card from its old place. Reads all positions before it writes any. */
  #glide(cards, before) {
    const top = -this.#element.getBoundingClientRect().top;
    const height = innerHeight;
    const insight = (y) => y > top - 200 && y < top + height;
    const offset = this.#element.offsetTop;
    const moves = [];
    for (const card of cards) {
      const was = before.get(card);
      const is = card.offsetTop;
      if (was === undefined || was === is || !(insight(was - offset) || insight(is - offset))) continue;
      moves.push([card, Math.max(-height, Math.min(height, was - is))]);
    }
    for (const [card, dy] of moves) {
      card.animate([{ transform: `translateY(${dy}px)` }, { transform: 'none' }],
        { duration: 550, easing: 'cubic-bezier(.2, .8, .2, 1)' });
    }
  }

  #sorted() {
    let entries = [...this.#entries.values()];
    if (this.#words) {
      entries = entries.filter(({ key, label }) => [key, label?.author, label?.nickname, label?.text]
        .some((text) => text?.toLowerCase().includes(this.#words)));
    }
    const by = this.#by;
    entries.sort((a, b) => (by ? descending(a.counters[by], b.counters[by]) : 0) || byKey(a, b));
    return entries.slice(0, shownMax);
  }

  #discard(card) {
    this.#eye.unobserve(card);
    this.#visible.delete(card);
    card.remove();
    const entry = this.#entries.get(card.dataset.key);
    if (entry?.card === card) entry.card = null;
  }

  #write(entry) {
    for (const { name } of this.#counters) {
      const value = entry.counters[name];
      const before = entry.shown[name];
      if (value === before) continue;
      entry.shown[name] = value;
      const number = entry.numbers[name];
      number.textContent = format.format(value);
      number.closest('.count').classList.toggle('some', value > 0);
      if (before !== undefined && this.#visible.has(entry.card)) flash(number, value > before);
    }
  }

  #make(entry) {
    const { key, label } = entry;
    const card = element('li', label ? 'card' : 'card bare');
    card.dataset.key = key;
    const counts = element('div', 'counts');
    entry.numbers = {};
    entry.shown = {};
    for (const counter of this.#counters) counts.append(this.#count(counter, entry, !label));
    for (const action of this.#others) counts.append(button('act', action, action));
    const locate = element('button', 'locate', 'My place');
    locate.type = 'button';
    locate.ariaPressed = String(key === this.#chosen);
    counts.append(locate);
    if (label) {
      const face = element('span', 'face', (label.author ?? '?').slice(0, 1).toUpperCase());
      face.ariaHidden = 'true';
      face.style.setProperty('--person-hue', hue(label.author ?? ''));
      const who = element('p', 'who');
      who.append(element('strong', '', label.author ?? key), element('span', '', label.nickname ?? ''));
      const body = element('div', '');
      body.append(who, element('p', 'words', label.text ?? ''), counts);
      card.append(face, body);
    } else {
      card.append(element('span', 'key', key === '' ? '(empty)' : key), counts);
    }
    entry.card = card;
    this.#write(entry);
    this.#eye.observe(card);
    return card;
  }

  #count({ name, plus, undo }, entry, named) {
    const { icon: shape, many } = dress(name);
    const count = element('span', 'count');
    count.dataset.hue = name;
    const number = element('span', 'number');
    entry.numbers[name] = number;
    const main = plus ? button('plus', plus) : element('span', 'plain');
    const label = element('span', named ? 'name' : 'hush', verbs[plus] ?? many);
    main.append(icon(shape), label, number);
    main.title = plus ? verbs[plus] ?? plus : many;
    count.append(main);
    if (undo) {
      const back = button('undo', undo);
      back.ariaLabel = back.title = verbs[undo] ?? undo;
      back.append(icon('minus'));
      count.append(back);
    }
    return count;
  }
}

/** Highlights a changed number, with a small step up or down. */
export function flash(number, up) {
  const from = { color: 'var(--hue)', background: 'color-mix(in srgb, var(--hue) 22%, transparent)' };
  if (!stillness.matches) from.transform = `translateY(${up ? 3 : -3}px)`;
  for (const old of number.getAnimations()) old.cancel();
  const landed = { transform: 'none', color: 'var(--hue)', offset: .25 };
  number.animate([from, landed, {}], { duration: 900, easing: 'ease-out' });
}

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function button(className, action, text) {
  const made = element('button', className, text);
  made.type = 'button';
  made.dataset.action = action;
  return made;
}

/** A colour for a name: always the same for one name, far apart for similar names. */
function hue(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 65_521;
  return Math.round(sum * 137.508) % 360;
}

const descending = (a, b) => (a > b ? -1 : a < b ? 1 : 0); // `<` compares a number with a BigInt correctly

function byKey(a, b) {
  if (a.rank !== null && b.rank !== null) return a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : 0;
  if (a.rank !== null || b.rank !== null) return a.rank !== null ? -1 : 1;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
