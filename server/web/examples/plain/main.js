import { connect } from '/pgtally.js';

const client = connect();
const button = document.querySelector('button');
client.value('tweets', '33', {
  onChange: ({ favs }) => { button.textContent = `♥ ${favs}`; },
  onState: ({ state }) => { button.className = state; },
});
client.top('tweets', { by: 'favs', limit: 3 }, {
  onChange: (top) => document.querySelector('ol').replaceChildren(...top.map(({ key, counters }) => {
    const item = document.createElement('li');
    item.textContent = `${key}: ${counters.favs}`;
    return item;
  })),
});
button.onclick = () => client.act('tweets', '33', 'fav');
