/**
 * Long poll: a request that is answered when something has changed since the last answer's position. When a page asks
 * more than may wait at a time, the requests take turns, each for a short while. It reads named keys, lists, sums and
 * ranks; no request reads every key.
 */
import { firstMs, pollS, requestsMax } from '../limits.js';
import { PgtallyError } from '../error.js';
import { parse } from '../numbers.js';
import { HttpTransport, addressOf } from './http.js';

export class LongPollTransport extends HttpTransport {
  turns_ = []; // of those that wait for one: what begins them
  room_ = requestsMax;

  async read_(slice) {
    while (!slice.signal.aborted) {
      if (!this.room_) await new Promise((resolve) => { this.turns_.push(resolve); });
      else this.room_ -= 1;
      let pauseMs = 0;
      try {
        if (!slice.signal.aborted) pauseMs = await this.ask_(slice);
      } finally {
        const next = this.turns_.shift();
        if (next) next();
        else this.room_ += 1;
      }
      clearTimeout(slice.timer);
      if (pauseMs) await new Promise((resolve) => { slice.timer = setTimeout(resolve, pauseMs); });
    }
  }

  /** One request. Returns how long to wait before the next. */
  async ask_(slice) {
    const { entry: { keys, question: { top, rank, sum, interval_ms: pauseMs = 0 } }, query, since, signal, isFirst } = slice;
    const asks = top ?? rank;
    if (!asks && !sum && !keys) {
      throw new PgtallyError('not_by_long_poll', 'every key of a tally cannot be followed by long poll: name keys', { status: 400 });
    }
    const waitS = [...this.entries_.values()].reduce((total, { slices }) => total + slices, 0) < requestsMax ? pollS : 1;
    // What was missed is asked for without a wait. Of no keys the tally's state is read, with its sum.
    const position = since && { since: `${since.epoch}-${since.revision}`, ...(!isFirst && { wait: waitS }) };
    const route = top ? '/top' : rank ? '/rank' : query ? '/keys' : '';
    this.watch_(slice, firstMs + (isFirst ? 0 : 1_000 * waitS));
    const response = await this.request_(addressOf(slice, route, { ...asks, ...position }), { signal });
    const type = 'snapshot';
    const { status } = response;
    if (status === 204) { // a live tally, without a change
      this.deliver_(slice, keys ? { type, ...since, state: 'live', keys: {}, partial: true } : { type: 'state', state: 'live' });
      return isFirst ? 0 : Math.max(pauseMs, 1_000);
    }
    const { code, detail, ...answer } = parse(await response.text());
    if (status === 503) {
      this.deliver_(slice, { type: 'state', state: code === 'failed' ? code : 'loading', reason: detail });
      slice.since = null;
      return 1_000;
    }
    this.deliver_(slice, { type, ...answer, ...(keys && !query && { keys: {} }) });
    slice.since = { epoch: answer.epoch, revision: answer.revision };
    return pauseMs;
  }
}
