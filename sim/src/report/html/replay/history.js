'use strict';
// The run as the page holds it: typed columns, checked before anything is drawn, and searched by halving.

const FORMAT = 1;

/** What is wrong with the data, in a sentence for the reader. */
class BadData extends Error {}

/** The first place in a sorted column that is not below the value. */
function lowerBound(column, value, from = 0, to = column.length) {
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (column[middle] < value) from = middle + 1; else to = middle;
  }
  return from;
}

/** Sums up distances; every value must be a whole number from 0 to the limit. */
function absolute(distances, limit = Number.MAX_SAFE_INTEGER) {
  const column = new Float64Array(distances.length);
  let sum = 0;
  for (let i = 0; i < distances.length; i++) {
    if (!(distances[i] >= 0)) throw new BadData('The events are not in the order of time.');
    sum += distances[i];
    column[i] = sum;
  }
  if (!(sum <= limit)) throw new BadData('The data names an event that it does not have.');
  return column;
}

/** A column of small numbers, each below the limit. */
function numbers(values, limit, Column) {
  const column = Column.from(values);
  for (let i = 0; i < values.length; i++) {
    if (!(values[i] >= 0 && values[i] < limit)) throw new BadData('The data names something that it does not have.');
  }
  return column;
}

function sameLength(columns) {
  const lengths = Object.values(columns).map((column) => column.length);
  if (lengths.some((length) => length !== lengths[0])) throw new BadData('A column is shorter than the others: the data is not whole.');
  return lengths[0];
}

class RunHistory {
  /** Reads the text of the data; throws BadData if it cannot be used. */
  static read(text) {
    let raw;
    try {
      raw = JSON.parse(text);
    } catch {
      throw new BadData('The data ends in the middle: the file was cut off, or changed.');
    }
    if (raw === null || typeof raw !== 'object' || raw.format === undefined) throw new BadData('This is no run.');
    if (raw.format !== FORMAT) {
      throw new BadData(`The data is of version ${raw.format}, and this page reads version ${FORMAT}. Replay the seed with the version that is to show it.`);
    }
    try {
      return new RunHistory(raw);
    } catch (error) {
      if (error instanceof BadData) throw error;
      throw new BadData(`The data is not whole: ${error.message}`);
    }
  }

  constructor(raw) {
    this.lanes = raw.lanes;
    this.groups = raw.groups;
    this.layers = raw.layers;
    this.texts = raw.texts;
    this.total = raw.total;
    this.leftOut = raw.left_out;
    const count = sameLength(raw.events);
    this.count = count;
    this.at = absolute(raw.events.at);
    this.lane = numbers(raw.events.lane, raw.lanes.length, Uint8Array);
    this.group = numbers(raw.events.group, raw.groups.length, Uint8Array);
    this.text = numbers(raw.events.text, raw.texts.length, Uint32Array);
    this.end = count ? this.at[count - 1] : 0;
    this.#readArrows(raw.arrows);
    this.#readSpans(raw.spans);
    this.violations = raw.violations.filter((violation) => violation.event < count);
    this.focus = raw.focus;
    this.broke = new Set(this.violations.map((violation) => violation.event));
  }

  #readArrows(raw) {
    const count = sameLength(raw);
    const event = absolute(raw.event, this.count - 1);
    const arrows = { count, event, to: numbers(raw.to, this.lanes.length, Uint8Array), takes: Float64Array.from(raw.takes), leaves: new Float64Array(count), longest: 0 };
    // The first arrow of each event, so that an event finds its own.
    this.firstArrow = new Int32Array(this.count).fill(-1);
    for (let i = count - 1; i >= 0; i--) {
      arrows.leaves[i] = this.at[event[i]];
      if (arrows.takes[i] > arrows.longest) arrows.longest = arrows.takes[i];
      this.firstArrow[event[i]] = i;
    }
    this.arrows = arrows;
  }

  #readSpans(raw) {
    const count = sameLength(raw);
    const from = absolute(raw.from);
    this.spans = [];
    for (let i = 0; i < count; i++) {
      this.spans.push({ lane: raw.lane[i], layer: this.layers[raw.layer[i]], from: from[i], to: from[i] + raw.to[i], label: this.texts[raw.label[i]] });
    }
    stackFaults(this.spans.filter((span) => span.layer === 'fault'));
  }

  /** What happened, with the fate of what was sent. */
  say(event) {
    const fates = [];
    const { arrows } = this;
    for (let i = this.firstArrow[event]; i >= 0 && i < arrows.count && arrows.event[i] === event; i++) {
      const to = this.lanes[arrows.to[i]];
      fates.push(arrows.takes[i] < 0 ? `lost on its way to ${to}` : `at ${to} ${millis(arrows.takes[i])} ms later`);
    }
    const text = this.texts[this.text[event]];
    return fates.length ? `${text}: ${fates.join(' and ')}` : text;
  }
}

/** Faults that overlap get rows of their own. */
function stackFaults(faults) {
  const rows = [];
  for (const fault of faults) {
    let row = rows.findIndex((end) => end <= fault.from);
    if (row < 0) row = rows.length;
    rows[row] = Math.max(fault.to, fault.from + 1);
    fault.row = row;
  }
}

function seconds(micros, digits = 6) {
  return `${(micros / 1e6).toFixed(digits)} s`;
}

function millis(micros) {
  return (micros / 1e3).toFixed(3).replace(/\.?0+$/, '');
}
