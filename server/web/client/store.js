/**
 * What the adapters share: a store of { value, state }, a new frozen object whenever either differs. Its subscription is
 * open while somebody listens, so a component that is rendered on a server, or twice, opens nothing.
 */
const connecting = Object.freeze({ state: 'connecting' });

/** Without a client the store keeps `initial`. `initial` stays until the server has said the value. */
export function storeOf(client, open, initial) {
  const first = Object.freeze({ value: initial, state: connecting });
  const listeners = new Set();
  let shown = first;
  let subscription = null;

  function look() {
    if (!subscription) return;
    const { value = shown.value, state } = subscription;
    if (value === shown.value && state === shown.state) return;
    shown = Object.freeze({ value, state });
    for (const listener of [...listeners]) listener();
  }

  function subscribe(listener) {
    const mine = () => listener();
    listeners.add(mine);
    if (client && !subscription) {
      subscription = open(client);
      subscription.listen(look);
      look();
    }
    return () => {
      listeners.delete(mine);
      if (listeners.size || !subscription) return;
      const last = subscription;
      subscription = null;
      last.close();
      shown = Object.freeze({ value: shown.value, state: connecting });
    };
  }

  return { subscribe, get: () => shown, first: () => first };
}

export const counterStore = (client, tally, key, initial) => storeOf(client, (open) => open.value(tally, key), initial);
export const topStore = (client, tally, request, initial) => storeOf(client, (open) => open.top(tally, request), initial);
export const sumStore = (client, tally, initial) => storeOf(client, (open) => open.sum(tally), initial);
export const rankStore = (client, tally, request, initial) => storeOf(client, (open) => open.rank(tally, request), initial);
