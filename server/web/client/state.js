/** States as the page sees them: frozen, and with the members that say something. */
const names = ['state', 'reason', 'code', 'retryInMs'];

export function same(a, b) {
  return names.every((name) => a[name] === b[name]);
}

export function frozen(state) {
  return Object.freeze(Object.fromEntries(names.filter((name) => state[name] !== undefined).map((name) => [name, state[name]])));
}
