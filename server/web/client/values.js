/**
 * The counters that a feed holds, and how messages change them.
 *
 * Messages carry values, not deltas: a change sets keys, a full snapshot of every key replaces all. An action's answer
 * sets its key ahead of the feed: until the feed has reached that revision, what it says of the key is older, and is
 * left out, so that no number goes back.
 */
export class Values {
  held = new Map();
  ahead = new Map(); // key -> revision of the action's answer that set it

  /** Sets what `wants` accepts, and returns the keys that differ. */
  set(entries, revision, wants = () => true) {
    const changed = new Map();
    for (const [key, counters] of entries) {
      if (!wants(key) || this.isOld(key, revision)) continue;
      const before = this.held.get(key);
      if (before && Object.keys(counters).every((name) => counters[name] === before[name])) continue;
      this.held.set(key, counters);
      changed.set(key, counters);
    }
    return changed;
  }

  /** Forgets what is not in `kept`; a key that vanished is reported as zeros. */
  keepOnly(kept, changed, revision) {
    for (const [key, before] of this.held) {
      if (kept.has(key) || this.isOld(key, revision)) continue;
      this.held.delete(key);
      const zeros = Object.fromEntries(Object.keys(before).map((name) => [name, 0]));
      if (Object.values(before).some((value) => value !== 0)) changed.set(key, zeros);
    }
  }

  isOld(key, revision) {
    const set = this.ahead.get(key);
    if (set === undefined) return false;
    if (revision < set) return true;
    this.ahead.delete(key);
    return false;
  }

  forget(key) {
    this.held.delete(key);
    this.ahead.delete(key);
  }
}
