import type { Counters, Top } from 'pgtally';
import { useCounter, useTop } from 'pgtally/react';
import { client } from '../client';

/** Answers of the REST API that a server has read, for the first picture. */
export interface Initial {
  one?: { counters?: Counters };
  list?: { top?: Top };
}

export function App({ id, initial }: { id: string; initial?: Initial }) {
  const likes = useCounter(client, 'tweets', id, { initial: initial?.one?.counters });
  const top = useTop(client, 'tweets', { by: 'favs', limit: 3, initial: initial?.list?.top });
  return (
    <>
      <button className={likes.state.state} onClick={() => client?.act('tweets', id, 'fav')}>
        {`♥ ${likes.value?.favs ?? '–'}`}
      </button>
      <ol>
        {top.value?.map(({ key, counters }) => <li key={key}>{`${key}: ${counters.favs}`}</li>)}
      </ol>
    </>
  );
}
