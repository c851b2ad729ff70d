/** Actions: a POST that is answered once the counters contain what it did. */
import { PgtallyError, problemOf } from './error.js';
import { badKey, keyText, nameText } from './keys.js';
import { parse } from './numbers.js';
import { request } from './token.js';

/**
 * Runs an action. The promise is of { key, counters, epoch, revision, state, applied: true }, or of { applied: false }
 * when it is committed but the server had not applied it after 5 s. It is rejected with a PgtallyError; its `done` is
 * false when surely nothing was done, and undefined when that is not known: then look at the number before trying again.
 */
export async function act(settings, tally, key, action, body, { signal, headers } = {}) {
  const text = keyText(key);
  const why = badKey(text);
  if (why) throw new PgtallyError('bad_key', why, { done: false });
  const path = `tallies/${encodeURIComponent(nameText(tally, 'tally'))}/${pathOf(text, nameText(action, 'action'))}`;
  const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
  const response = await send(settings, path, { method: 'POST', ...json, headers: { ...json.headers, ...headers }, signal });
  const { status } = response;
  if (!response.ok) {
    const error = await problemOf(response);
    if (status < 500 || (status === 503 && error.code !== 'http_error')) error.done = false;
    throw error;
  }
  const answer = await response.text().then(parse).catch(() => ({}));
  return { ...answer, applied: status === 201 };
}

async function send({ fetch, ...settings }, path, options) {
  const reach = (...values) => fetch(...values).catch((error) => {
    if (options.signal?.aborted) throw error;
    throw new PgtallyError('unreachable', 'the server cannot be reached: whether it was done is not known');
  });
  return request({ ...settings, fetch: reach }, path, options);
}

// Proxies decode and merge such keys in a path; as a parameter they arrive.
function pathOf(key, action) {
  const [k, a] = [key, action].map(encodeURIComponent);
  return key && !/[/\\%?#;]|^\.\.?$/.test(key) ? `keys/${k}/${a}` : `actions/${a}?key=${k}`;
}
