'use strict';
// What is looked at: a range of time, a chosen event, and which lanes and kinds of events are shown. It
// knows nothing of the screen, and tells whoever listens that it has changed.

/** The shortest range of time that is shown, in microseconds. */
const SHORTEST = 20;

class View {
  constructor(history) {
    this.history = history;
    this.hiddenLanes = new Set();
    this.hiddenGroups = new Set();
    this.chosen = -1;
    this.violation = -1;
    this.listeners = [];
    this.from = 0;
    this.to = Math.max(history.end, 1);
    this.showBeginning();
  }

  changed() {
    this.listeners.forEach((listener) => listener());
  }

  /** Where a page opens: at the violation, with all that led to it in sight. */
  showBeginning() {
    const { focus, violations } = this.history;
    if (focus !== null && violations[focus]) this.showViolation(focus);
    else this.show(0, this.history.end);
  }

  showViolation(index) {
    const { history } = this;
    const violation = history.violations[index];
    this.violation = index;
    this.chosen = violation.event;
    const end = history.at[violation.event];
    const first = violation.thread.length ? history.at[violation.thread[0]] : end;
    const length = Math.min(Math.max(end - first, 200_000), 20_000_000);
    this.show(end - length * 1.2, end + length * 0.25);
  }

  stepViolation(by) {
    const { length } = this.history.violations;
    if (length) this.showViolation((this.violation + by + length) % length);
  }

  /** Shows a range, moved and cut to what there is. */
  show(from, to) {
    const whole = Math.max(this.history.end, 1);
    const length = Math.min(Math.max(to - from, SHORTEST), whole * 1.1);
    const middle = Math.min(Math.max((from + to) / 2, length / 2 - whole * 0.05), whole * 1.05 - length / 2);
    this.from = middle - length / 2;
    this.to = middle + length / 2;
    this.changed();
  }

  zoom(factor, around = this.middle()) {
    const length = Math.min(Math.max((this.to - this.from) * factor, SHORTEST), this.history.end * 1.1);
    const share = (around - this.from) / (this.to - this.from);
    this.show(around - length * share, around + length * (1 - share));
  }

  /** Moves by a share of what is shown. */
  pan(share) {
    const by = (this.to - this.from) * share;
    this.show(this.from + by, this.to + by);
  }

  /** What zooming keeps in its place: the chosen event, if it is in sight. */
  middle() {
    const at = this.chosen < 0 ? NaN : this.history.at[this.chosen];
    return at >= this.from && at <= this.to ? at : (this.from + this.to) / 2;
  }

  isShown(event) {
    const { lane, group } = this.history;
    return !this.hiddenLanes.has(lane[event]) && !this.hiddenGroups.has(group[event]);
  }

  /** The first and the last but one event within the range. */
  range() {
    return [lowerBound(this.history.at, this.from), lowerBound(this.history.at, this.to)];
  }

  choose(event) {
    this.chosen = event;
    const at = this.history.at[event];
    const margin = (this.to - this.from) * 0.05;
    if (at < this.from + margin || at > this.to - margin) {
      const half = (this.to - this.from) / 2;
      this.show(at - half, at + half);
    } else {
      this.changed();
    }
  }

  /** Chooses the next event that is shown, in a direction, on the same lane or any. */
  step(by, sameLane) {
    const { history } = this;
    let event = this.chosen;
    if (event < 0) event = lowerBound(history.at, this.middle()) - (by > 0 ? 1 : 0);
    const lane = this.chosen < 0 ? -1 : history.lane[this.chosen];
    for (event += by; event >= 0 && event < history.count; event += by) {
      if (this.isShown(event) && (!sameLane || lane < 0 || history.lane[event] === lane)) {
        this.choose(event);
        return;
      }
    }
  }

  /** Chooses the event nearest in time on the next lane up or down that has one in sight. */
  stepLane(by) {
    const { history } = this;
    if (this.chosen < 0) return;
    const at = history.at[this.chosen];
    const [first, last] = this.range();
    for (let lane = history.lane[this.chosen] + by; lane >= 0 && lane < history.lanes.length; lane += by) {
      const found = this.nearest(lane, at, first, last);
      if (found >= 0) {
        this.choose(found);
        return;
      }
    }
  }

  /** The event on a lane that is nearest to a moment, among these; −1 if there is none. */
  nearest(lane, at, first, last) {
    const { history } = this;
    const middle = lowerBound(history.at, at, first, last);
    const on = (event) => history.lane[event] === lane && this.isShown(event);
    let after = middle;
    while (after < last && !on(after)) after++;
    let before = middle - 1;
    while (before >= first && !on(before)) before--;
    if (after >= last) return before >= first ? before : -1;
    if (before < first) return after;
    return history.at[after] - at <= at - history.at[before] ? after : before;
  }

  end(last) {
    const { history } = this;
    this.chosen = last ? history.count : -1;
    const by = last ? -1 : 1;
    let event = last ? history.count - 1 : 0;
    while (event >= 0 && event < history.count && !this.isShown(event)) event += by;
    if (event >= 0 && event < history.count) this.choose(event);
    else this.chosen = -1;
  }

  hide(set, item, hidden) {
    if (hidden) set.add(item); else set.delete(item);
    this.changed();
  }

  /** This moment as the end of an address. */
  fragment() {
    const parts = [`t=${(this.from / 1e6).toFixed(6)}..${(this.to / 1e6).toFixed(6)}`];
    if (this.chosen >= 0) parts.push(`event=${this.chosen}`);
    const { lanes, groups } = this.history;
    const hidden = [...[...this.hiddenLanes].map((lane) => lanes[lane]), ...[...this.hiddenGroups].map((group) => groups[group][0])];
    if (hidden.length) parts.push(`hide=${hidden.join(',')}`);
    return parts.join('&');
  }

  /** Goes where the end of an address leads; what it names and is not here is left alone. */
  follow(fragment) {
    const parts = new URLSearchParams(fragment);
    const event = parts.get('event') ?? '';
    const range = /^(\d+(?:\.\d+)?)\.\.(\d+(?:\.\d+)?)$/.exec(parts.get('t'));
    if (/^\d+$/.test(event) && Number(event) < this.history.count) this.choose(Number(event));
    // After the event, which would move the range to itself.
    if (range && Number(range[1]) < Number(range[2])) this.show(Number(range[1]) * 1e6, Number(range[2]) * 1e6);
    (parts.get('hide') ?? '').split(',').forEach((hidden) => this.hideNamed(hidden));
    this.changed();
  }

  hideNamed(name) {
    const lane = this.history.lanes.indexOf(name);
    const group = this.history.groups.findIndex(([known]) => known === name);
    if (lane >= 0) this.hiddenLanes.add(lane);
    if (group >= 0) this.hiddenGroups.add(group);
  }
}
