/** Actions: a POST that is answered once the counters contain what it did. */
import { PgtallyError, problemOf } from './error.js';
import { badKey, keyText, nameText } from './keys.js';
import { parse } from './numbers.js';

/**
 * Runs an action. The promise is of { key, counters, epoch, revision, state, applied: true }, or of { applied: false }
 * when it is committed but the server had not applied it after 5 s. It is rejected with a PgtallyError; its `done` is
 * false when surely nothing was done, and undefined when that is not known: then look at the number before trying again.
 */
export async function act({ base, fetch, token }, { tally, key, action, body }, { signal, headers } = {}) {
  const text = keyText(key);
  const why = badKey(text);
  if (why) throw new PgtallyError('bad_key', why, { done: false });
  const address = `${base}tallies/${encodeURIComponent(nameText(tally, 'tally'))}/${pathOf(text, nameText(action, 'action'))}`;
  const json = body === undefined ? undefined : JSON.stringify(body);
  for (let again = Boolean(token.getToken); ; again = false) {
    const all = { ...(json && { 'Content-Type': 'application/json' }), ...headers, ...await token.headers() };
    const response = await send(fetch, address, { method: 'POST', headers: all, body: json, signal });
    if (response.status === 401 && again) { // nothing was done
      token.refused();
      continue;
    }
    if (!response.ok) throw withOutcome(await problemOf(response));
    const answer = await response.text().then(parse).catch(() => ({}));
    return { ...answer, applied: response.status === 201 };
  }
}

async function send(fetch, address, options) {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new PgtallyError('unreachable', 'the server cannot be reached: whether it was done is not known');
  }
}

// Proxies decode and merge such keys in a path; as a parameter they arrive.
function pathOf(key, action) {
  const isPlain = key !== '' && !/[/\\%?#;]|^\.\.?$/.test(key);
  if (isPlain) return `keys/${encodeURIComponent(key)}/${encodeURIComponent(action)}`;
  return `actions/${encodeURIComponent(action)}?key=${encodeURIComponent(key)}`;
}

function withOutcome(error) {
  if (error.status < 500 || (error.status === 503 && error.code !== 'http_error')) error.done = false;
  return error;
}
