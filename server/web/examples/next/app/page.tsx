import { parse, type Acted } from 'pgtally';
import { Likes } from './likes';

export const dynamic = 'force-dynamic';

export default async function Page() {
  const api = process.env.NEXT_PUBLIC_PGTALLY ?? 'http://127.0.0.1:8080';
  const answer = await fetch(`${api}/v1/tallies/tweets/keys/33`, { cache: 'no-store' });
  const { counters } = parse(answer.ok ? await answer.text() : '{}') as Partial<Acted>;
  return <Likes id="33" initial={counters} />;
}
