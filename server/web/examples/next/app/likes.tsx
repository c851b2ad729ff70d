'use client';

import { connect, type Counters } from 'pgtally';
import { useCounter } from 'pgtally/react';

const api = process.env.NEXT_PUBLIC_PGTALLY ?? 'http://127.0.0.1:8080';
const client = typeof document === 'undefined' ? null : connect({ url: `${api}/v1/ws` });

export function Likes({ id, initial }: { id: string; initial?: Counters }) {
  const { value, state } = useCounter(client, 'tweets', id, { initial });
  return (
    <button className={state.state} onClick={() => client?.act('tweets', id, 'fav')}>
      {`♥ ${value?.favs ?? '–'}`}
    </button>
  );
}
