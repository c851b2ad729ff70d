/**
 * The counters that a feed holds, and how messages change them.
 *
 * Messages carry values, not deltas: a change sets keys, a full snapshot of every key replaces all. An action's answer
 * sets its key ahead of the feed: until the feed has reached that revision, what it says of the key is older, and is
 * left out, so that no number goes back.
 */
export class Values {
  held_ = new Map();
  ahead_ = new Map(); // key -> revision of the action's answer that set it

  /** Sets what `wants` accepts, and returns the keys that differ. */
  set_(entries, revision, wants = () => true) {
    const changed = new Map();
    for (const [key, counters] of entries) {
      if (!wants(key) || this.isOld_(key, revision)) continue;
      const before = this.held_.get(key);
      if (before && Object.keys(counters).every((name) => counters[name] === before[name])) continue;
      this.held_.set(key, counters);
      changed.set(key, counters);
    }
    return changed;
  }

  /** Forgets what is not in `kept`; a key that vanished is reported as zeros. */
  keepOnly_(kept, changed, revision) {
    for (const [key, before] of this.held_) {
      if (kept.has(key) || this.isOld_(key, revision)) continue;
      this.held_.delete(key);
      const zeros = Object.fromEntries(Object.keys(before).map((name) => [name, 0]));
      if (Object.values(before).some((value) => value)) changed.set(key, zeros);
    }
  }

  isOld_(key, revision) {
    if (revision < this.ahead_.get(key)) return true;
    this.ahead_.delete(key);
    return false;
  }

  forget_(key) {
    this.held_.delete(key);
    this.ahead_.delete(key);
  }
}
