/**
 * A TanStack DB collection of a tally: `import { pgtallyCollectionOptions } from 'pgtally/tanstack-db'`. Its rows are
 * { key, counters }, as in a top list.
 */
export function pgtallyCollectionOptions({ client, tally, keys, intervalMs, onState, onError, ...config }) {
  const named = keys && [...keys];

  function sync({ begin, write, commit, markReady, markError }) {
    if (!client) return undefined; // a server renders
    const rows = new Set();

    // The client compares every snapshot with what it held, one of another epoch too, and tells what differs. Truncating
    // and inserting all again would make each live query see every row leave and come back.
    const onChange = (changed) => {
      begin();
      for (const [key, counters] of changed) {
        // Without names a tally has the keys that are not 0.
        const isGone = !named && Object.values(counters).every((count) => Number(count) === 0);
        if (!isGone) write({ type: rows.has(key) ? 'update' : 'insert', value: { key, counters } });
        else if (rows.has(key)) write({ type: 'delete', key });
        if (isGone) rows.delete(key);
        else rows.add(key);
      }
      commit();
    };

    let isReady = false;
    const ready = () => {
      if (!isReady) markReady();
      isReady = true;
    };
    const failed = (error) => { if (!isReady && error.code !== 'closed') markError?.(error); };
    const subscription = client.subscribe({ tally, keys: named, intervalMs }, {
      onChange,
      onError,
      onState: (state) => {
        if (!isReady) subscription.ready().then(ready, failed);
        onState?.(state);
      },
    });
    return () => subscription.close();
  }

  return { id: `pgtally:${tally}`, getKey: ({ key }) => key, ...config, sync: { sync, rowUpdateMode: 'full' } };
}
