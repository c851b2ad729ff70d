import { BTreeIndex, createCollection, createLiveQueryCollection, createOptimisticAction } from '@tanstack/db';
import { pgtallyCollectionOptions } from 'pgtally/tanstack-db';
import { client } from '../client';

const [button, list] = [document.querySelector('button')!, document.querySelector('ol')!];
const tweets = createCollection(pgtallyCollectionOptions({
  client,
  tally: 'tweets',
  autoIndex: 'eager',
  defaultIndexType: BTreeIndex,
  onState: ({ state }) => { button.className = state; },
}));
const top = createLiveQueryCollection((query) => query
  .from({ tweet: tweets })
  .orderBy(({ tweet }) => tweet.counters.favs, 'desc')
  .orderBy(({ tweet }) => tweet.key)
  .limit(3));

// The number grows at once. The server's takes its place when the action resolves, or the old one if it fails.
const like = createOptimisticAction<string>({
  onMutate: (key) => {
    tweets.update(key, (draft) => { draft.counters = { ...draft.counters, favs: BigInt(draft.counters.favs) + 1n }; });
  },
  mutationFn: async (key) => client?.act('tweets', key, 'fav'),
});

button.onclick = () => like('33');
tweets.subscribeChanges(() => { button.textContent = `♥ ${tweets.get('33')?.counters.favs ?? '–'}`; }, { includeInitialState: true });
top.subscribeChanges(() => {
  list.replaceChildren(...top.toArray.map(({ key, counters }) => {
    const item = document.createElement('li');
    item.textContent = `${key}: ${counters.favs}`;
    return item;
  }));
}, { includeInitialState: true });
