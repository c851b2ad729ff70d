/** "My place": where the chosen key is among all keys, live, with its neighbours. */
import { dress, element, format } from './list.js';

const around = 2;

export class Place {
  #client;
  #element;
  #name;
  #words;
  #rows;
  #subscription = null;
  key = null; // the chosen one

  constructor(client, section, onClose) {
    this.#client = client;
    this.#element = section;
    this.#name = element('strong', '');
    this.#words = element('p', 'reason');
    this.#rows = element('ol', '');
    const close = element('button', 'close', '×');
    close.type = 'button';
    close.ariaLabel = 'Close my place';
    close.addEventListener('click', onClose);
    const head = element('p', 'place-head');
    head.append(this.#name, close);
    section.append(head, this.#words, this.#rows);
  }

  /** `nameOf(key)`: its text. */
  show({ tally, key, by, nameOf }) {
    this.close();
    this.key = key;
    this.#name.textContent = nameOf(key);
    this.#element.hidden = false;
    this.#subscription = this.#client.rank(tally, { by, key, around }, {
      onChange: (found) => this.#draw(found, nameOf),
      onState: ({ state, reason }) => { if (state === 'failed') this.#words.textContent = reason; },
    });
  }

  close() {
    this.#subscription?.close();
    this.#subscription = this.key = null;
    this.#element.hidden = true;
    this.#words.textContent = '';
    this.#rows.replaceChildren();
  }

  #draw({ rank: { key, place, of }, around: near, by }, nameOf) {
    const what = dress(by).many;
    this.#words.textContent = place === null ? `has no ${what} yet` : `is number ${format.format(place)} of ${format.format(of)} by ${what}`;
    this.#rows.replaceChildren(...near.map((row) => {
      const line = element('li', row.key === key ? 'me' : '');
      line.append(element('span', 'number', format.format(row.place)), element('span', 'key', nameOf(row.key)),
        element('span', 'number', format.format(row.counters[by])));
      return line;
    }));
  }
}
