/**
 * Svelte stores: `import { counter } from 'pgtally/svelte'`. They keep the store contract, so `$likes` works. Nothing of
 * Svelte is imported. A store subscribes while it has subscribers.
 */
import { counterStore, rankStore, sumStore, topStore } from './store.js';

export const counter = (client, tally, key, { initial } = {}) => readable(counterStore(client, tally, key, initial));
export const top = (client, tally, { initial, ...request }) => readable(topStore(client, tally, request, initial));
export const sum = (client, tally, { initial } = {}) => readable(sumStore(client, tally, initial));
export const rank = (client, tally, { initial, ...request }) => readable(rankStore(client, tally, request, initial));

function readable({ subscribe, get }) {
  return {
    subscribe(run) {
      let told = null;
      const tell = () => {
        if (told === get()) return;
        told = get();
        run(told);
      };
      const end = subscribe(tell);
      tell();
      return end;
    },
  };
}
