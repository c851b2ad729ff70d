/** React hooks: `import { useCounter } from 'pgtally/react'`. They open nothing while a server renders. */
import { useMemo, useSyncExternalStore } from 'react';
import { counterStore, rankStore, sumStore, topStore } from './store.js';

export function useCounter(client, tally, key, { initial } = {}) {
  return useStore(() => counterStore(client, tally, key, initial), [client, tally, String(key)]);
}

export function useTop(client, tally, { by, limit, intervalMs, initial }) {
  return useStore(() => topStore(client, tally, { by, limit, intervalMs }, initial), [client, tally, by, limit, intervalMs]);
}

export function useSum(client, tally, { initial } = {}) {
  return useStore(() => sumStore(client, tally, initial), [client, tally]);
}

export function useRank(client, tally, { by, key, around, intervalMs, initial }) {
  return useStore(() => rankStore(client, tally, { by, key, around, intervalMs }, initial), [client, tally, by, String(key), around, intervalMs]);
}

// `initial` is no dependency: it is a new object in every render, and only the first one counts.
function useStore(make, dependencies) {
  const store = useMemo(make, dependencies);
  return useSyncExternalStore(store.subscribe, store.get, store.first);
}
