import { StrictMode } from 'react';
import { renderToString } from 'react-dom/server';
import { parse } from 'pgtally';
import { App, type Initial } from './App';

/** The page of `html` with the counters of now in it. `api` is the server's address, as in http://127.0.0.1:8080/. */
export async function render(html: string, api: string, id: string): Promise<string> {
  const read = async (path: string) => {
    const answer = await fetch(new URL(path, api));
    return answer.ok ? answer.text() : '{}';
  };
  const [one, list] = await Promise.all([read(`v1/tallies/tweets/keys/${id}`), read('v1/tallies/tweets/top?by=favs&limit=3')]);
  const initial = `{"one":${one},"list":${list}}`;
  const app = renderToString(
    <StrictMode>
      <App id={id} initial={parse(initial) as Initial} />
    </StrictMode>,
  );
  // Data, not a script: a strict Content-Security-Policy lets it be.
  const data = `<script type="application/json" id="initial">${initial.replaceAll('<', '\\u003c')}</script>`;
  return html.replace('<div id="app"></div>', () => `<div id="app">${app}</div>${data}`);
}
