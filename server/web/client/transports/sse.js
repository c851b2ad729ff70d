/**
 * Server-Sent Events, read by fetch, since an EventSource can send no token. When a page asks more than the connections
 * that browsers keep to a server, the rest takes turns by long poll.
 */
import { limits } from '../limits.js';
import { problemOf } from '../error.js';
import { parse } from '../numbers.js';
import { HttpTransport, queryOf } from './http.js';
import { poll } from './longpoll.js';

export class EventsTransport extends HttpTransport {
  streams = 0;

  constructor(to, hooks) {
    super(to, hooks, follow);
    this.room = 1; // of the long polls beside the streams
  }
}

async function follow(slice, transport) {
  if (transport.streams >= limits.streams - 1) {
    await poll(slice, transport);
    return;
  }
  transport.streams += 1;
  slice.ending.signal.addEventListener('abort', () => { transport.streams -= 1; });
  const { entry, since, ending } = slice;
  const query = queryOf(slice);
  if (since) query.push(`since=${since.epoch}-${since.revision}`);
  let timer;
  try {
    const held = new Promise((_resolve, reject) => {
      const late = Object.assign(new Error('a proxy holds the events back'), { hung: true });
      timer = setTimeout(() => reject(late), limits.firstEventMs);
    });
    const reading = read(slice, transport, `tallies/${encodeURIComponent(entry.tally)}/events?${query.join('&')}`, () => clearTimeout(timer));
    await Promise.race([reading, held]);
  } finally {
    clearTimeout(timer);
    if (!ending.signal.aborted) transport.streams -= 1;
  }
}

async function read({ entry, take, ending }, transport, address, begun) {
  const response = await transport.request(address, { signal: ending.signal, headers: { Accept: 'text/event-stream' } });
  if (!response.ok) throw await problemOf(response);
  let epoch;
  for await (const { event, data } of eventsOf(response.body)) {
    begun();
    if (!data) {
      take();
      continue;
    }
    const message = parse(data);
    epoch = message.epoch ?? epoch;
    if (event === 'error' || event === 'unsubscribed') transport.forget(entry);
    if (event === 'error' || event === 'unsubscribed') transport.hooks.took({ type: event, id: entry.id, ...message });
    else take({ type: event, epoch, ...message });
  }
  if (!ending.signal.aborted) throw new Error('the server ended the stream');
}

/** The events of a stream: { event, data }; a comment, or a field alone, has no data, and says that the link lives. */
export async function* eventsOf(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    if (text.length > limits.eventBytes) throw new Error('the server sent an event that is too long');
    if (!/\r?\n\r?\n/.test(text)) continue;
    const blocks = text.split(/\r?\n\r?\n/);
    text = blocks.pop();
    for (const block of blocks) yield eventOf(block);
  }
}

function eventOf(block) {
  let event = 'message';
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    const [, name, value] = /^([a-z]*):? ?(.*)$/.exec(line) ?? [];
    if (name === 'event') event = value;
    if (name === 'data') data.push(value);
  }
  return { event, data: data.join('\n') };
}
