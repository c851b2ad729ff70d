/**
 * Server-Sent Events, read by fetch, since an EventSource can send no token. When a page asks more than the connections
 * that browsers keep to a server, the rest takes turns by long poll, as does a tally of which no key is named yet.
 */
import { eventBytesMax, firstMs, requestsMax, streamMs } from '../limits.js';
import { problemOf } from '../error.js';
import { parse } from '../numbers.js';
import { addressOf } from './http.js';
import { LongPollTransport } from './longpoll.js';

export class EventsTransport extends LongPollTransport {
  room_ = 1; // for the long polls
  streams_ = requestsMax - 1; // that may be opened

  async read_(slice) {
    const { entry: { keys }, query } = slice;
    if (!this.streams_ || (keys && !query)) return super.read_(slice);
    this.streams_ -= 1;
    try {
      return await this.stream_(slice);
    } finally {
      this.streams_ += 1;
    }
  }

  async stream_(slice) {
    const { entry, since, signal } = slice;
    const { top, rank, ...more } = entry.question;
    const { key, ...place } = rank ?? {};
    const asks = {
      ...(top && { top: top.limit, by: top.by }), ...(rank && { rank: key, ...place }), ...more,
      ...(since && { since: `${since.epoch}-${since.revision}` }),
    };
    this.watch_(slice, firstMs);
    const response = await this.request_(addressOf(slice, '/events', asks), { signal, headers: { Accept: 'text/event-stream' } });
    if (!response.ok) throw await problemOf(response);
    for await (const block of blocksOf(response.body)) {
      this.watch_(slice, streamMs);
      const [type, data] = ['event', 'data'].map((name) => new RegExp(`^${name}: (.*)`, 'm').exec(block)?.[1]);
      const ends = type === 'error' || type === 'unsubscribed';
      if (data) this.deliver_(slice, { type, ...parse(data) });
      if (ends) return this.forget_(entry);
    }
    if (!signal.aborted) throw new Error('the server ended the stream');
  }
}

/** The events of a stream, each as its text. A comment is one too, and says that the link lives. */
export async function* blocksOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ''; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (text + value).split('\n\n');
    text = blocks.pop();
    if (text.length > eventBytesMax) throw new Error('the server sent an event that is too long');
    yield* blocks;
  }
}
