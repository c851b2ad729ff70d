// Compiled by tsc --strict in a folder that has the package: what a program may write with the adapters, and what not.
import { createCollection } from '@tanstack/db';
import { connect, type Counters } from 'pgtally';
import { useCounter, useRank, useSum, useTop } from 'pgtally/react';
import { counter, rank, sum, top } from 'pgtally/svelte';
import { pgtallyCollectionOptions } from 'pgtally/tanstack-db';
import * as vue from 'pgtally/vue';
import { ref } from 'vue';
import { get, type Readable } from 'svelte/store';

const client = connect({ url: 'https://example.org/v1/ws' });

export function Component() {
  const likes = useCounter(client, 'tweets', 33n, { initial: { favs: 1 } });
  const best = useTop(null, 'tweets', { by: 'favs', limit: 3, initial: [{ key: '33', counters: { favs: 1 } }] });
  const all = useSum(undefined, 'tweets');
  const mine = useRank(client, 'tweets', { by: 'favs', key: '33' });
  // @ts-expect-error: before the first snapshot there is no value
  likes.value.favs;
  // @ts-expect-error: a list is by a counter
  useTop(client, 'tweets', { limit: 3 });
  return [likes.value?.favs, best.value?.[0]?.key, all.value?.size, mine.value?.rank.place, likes.state.state === 'live'];
}

const store: Readable<{ value: Counters | undefined }> = counter(client, 'tweets', '33');
get(store).value?.favs;
get(top(client, 'tweets', { by: 'favs' })).value?.length;
get(sum(client, 'tweets')).value?.sum.favs;
get(rank(client, 'tweets', { by: 'favs', key: 33 })).value?.around;

const key = ref('33');
const { value, state } = vue.useCounter(ref(null), 'tweets', key);
value.value?.favs;
state.value.retryInMs;
// @ts-expect-error: it is the server's
value.value = { favs: 1 };
vue.useTop(() => client, () => 'tweets', () => ({ by: 'favs', limit: Number(key.value) })).value.value?.map((entry) => entry.key);

const collection = createCollection(pgtallyCollectionOptions({ client, tally: 'tweets', keys: ['33'], gcTime: 1000 }));
collection.get('33')?.counters.favs;
// @ts-expect-error: keys are texts
collection.get(33);
