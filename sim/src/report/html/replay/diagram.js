'use strict';
// The diagram: time from left to right, a lane for each place. Only what is in sight is drawn, and where
// many events fall on one pixel, the most telling of them.

const HEAD = 24;           // the axis
const SIDE = 62;           // the names of the lanes
const LANE = 62;
const WORLD = 20;          // a row of faults
const WORLD_ROWS = 4;
/** More arrows than this in sight say nothing, and cost time. */
const ARROWS_MAX = 2500;
/** More heartbeats than this in sight hide what matters. */
const HEARTBEATS_MAX = 160;

class Diagram {
  constructor(canvas, history, view) {
    this.history = history;
    this.view = view;
    this.painter = new Painter(canvas);
    this.canvas = canvas;
    this.weight = history.groups.map(([name]) => WEIGHT.indexOf(name));
    this.heartbeats = history.groups.findIndex(([name]) => name === 'heartbeats');
    this.layOut();
  }

  /** Where each lane is; hidden ones have no place. */
  layOut() {
    const { history, view } = this;
    const faults = history.spans.filter((span) => span.layer === 'fault');
    this.rows = Math.min(WORLD_ROWS, faults.reduce((most, fault) => Math.max(most, fault.row + 1), 1));
    this.top = [];
    let y = HEAD;
    history.lanes.forEach((_, lane) => {
      if (view.hiddenLanes.has(lane)) {
        this.top.push(-1);
      } else {
        this.top.push(y);
        y += lane === 0 ? this.rows * WORLD + 20 : LANE;
      }
    });
    this.painter.fit(y + 6);
  }

  x(at) {
    const { from, to } = this.view;
    return SIDE + ((at - from) / (to - from)) * (this.painter.width - SIDE - 8);
  }

  time(x) {
    const { from, to } = this.view;
    return from + ((x - SIDE) / (this.painter.width - SIDE - 8)) * (to - from);
  }

  /** The line of a lane on which its events lie. */
  y(lane) {
    return this.top[lane] + (lane === 0 ? this.rows * WORLD + 12 : 27);
  }

  draw() {
    const { painter, view } = this;
    const { pen } = painter;
    const [first, last] = view.range();
    pen.clearRect(0, 0, painter.width, painter.height);
    this.drawAxis();
    pen.save();
    pen.beginPath();
    pen.rect(SIDE, 0, painter.width - SIDE, painter.height);
    pen.clip();
    this.drawSpans();
    this.drawArrows();
    this.drawEvents(first, last);
    this.drawViolation();
    this.drawChosen();
    pen.restore();
    this.drawNames();
  }

  drawAxis() {
    const { painter, view } = this;
    const { pen, colours } = painter;
    const step = niceStep((view.to - view.from) / Math.max((painter.width - SIDE) / 110, 2));
    const digits = Math.max(0, Math.min(6, Math.ceil(6 - Math.log10(step))));
    pen.font = painter.font(11);
    pen.textAlign = 'center';
    for (let at = Math.ceil(Math.max(view.from, 0) / step) * step; at <= view.to; at += step) {
      const x = Math.round(this.x(at)) + 0.5;
      pen.strokeStyle = colours.shade;
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(x, HEAD);
      pen.lineTo(x, painter.height);
      pen.stroke();
      pen.fillStyle = colours.soft;
      if (x > SIDE) pen.fillText(seconds(at, digits), x, 15);
    }
    pen.textAlign = 'left';
  }

  drawNames() {
    const { painter, history } = this;
    const { pen, colours } = painter;
    pen.fillStyle = colours.box;
    pen.fillRect(0, HEAD, SIDE - 1, painter.height);
    history.lanes.forEach((name, lane) => {
      if (this.top[lane] < 0) return;
      pen.strokeStyle = colours.line;
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(0, this.top[lane] + 0.5);
      pen.lineTo(painter.width, this.top[lane] + 0.5);
      pen.stroke();
      pen.font = painter.font(13, 600);
      pen.fillStyle = colours.ink;
      pen.fillText(lane === 0 ? 'faults' : name, 10, this.top[lane] + 22);
    });
  }

  drawSpans() {
    for (const layers of [['phase', 'fault'], ['rejoining', 'observer', 'follower', 'pre-candidate', 'candidate', 'leader', 'down'], ['paused'], ['believes', 'lease', 'holds', 'gap', 'act']]) {
      for (const span of this.history.spans) {
        const inSight = span.to >= this.view.from && span.from <= this.view.to;
        if (inSight && layers.includes(span.layer) && this.top[span.lane] >= 0) this.drawSpan(span);
      }
    }
  }

  drawSpan(span) {
    const { painter } = this;
    const { colours, pen } = painter;
    const x = Math.max(this.x(span.from), SIDE - 4);
    const width = Math.min(this.x(span.to), painter.width + 4) - x;
    const y = this.top[span.lane];
    switch (span.layer) {
      case 'phase':
        painter.label(span.label, x + 3, painter.height - 4, Math.max(width - 6, 0), colours.soft);
        pen.strokeStyle = colours.soft;
        pen.setLineDash([2, 4]);
        pen.lineWidth = 1;
        pen.beginPath();
        pen.moveTo(this.x(span.from), HEAD);
        pen.lineTo(this.x(span.from), painter.height);
        pen.stroke();
        pen.setLineDash([]);
        break;
      case 'fault': {
        pen.globalAlpha = 0.07;
        pen.fillStyle = colours.fault;
        pen.fillRect(x, y, Math.max(width, 2), painter.height - y);
        pen.globalAlpha = 1;
        const row = Math.min(span.row, this.rows - 1);
        const colour = /^(never began|met nothing): /.test(span.label) ? colours.soft : colours.fault;
        painter.bar(x, y + 3 + row * WORLD, Math.max(width, 3), WORLD - 4, colour, shortFault(span.label));
        break;
      }
      case 'down':
        pen.strokeStyle = colours.soft;
        pen.setLineDash([3, 4]);
        pen.lineWidth = 2;
        pen.beginPath();
        pen.moveTo(x, y + 27);
        pen.lineTo(x + width, y + 27);
        pen.stroke();
        pen.setLineDash([]);
        if (width > 40) painter.label('down', x + 4, y + 15, width - 8, colours.soft);
        break;
      case 'paused':
        painter.hatch(x, y + 4, Math.max(width, 2), 31);
        if (width > 90) painter.bar(x + width / 2 - 38, y + 19, 76, 15, colours.ink, span.label);
        break;
      case 'believes':
        painter.outline(x, y + 38, width, 6, colours.leader);
        break;
      case 'lease':
        painter.bar(x, y + 46, width, 4, colours.leader);
        break;
      case 'holds': {
        const database = this.history.lanes[span.lane] === 'db';
        painter.bar(x, y + (database ? 4 : 52), width, database ? 14 : 4, colours.fence, database ? span.label : '');
        break;
      }
      case 'act':
        painter.bar(x, y + 19, width, 16, colours.leader, span.label);
        break;
      case 'gap':
        // So short a gap is marked all the same.
        painter.bar(x, y + 14, Math.max(width, 2), 26, colours.violation, span.label);
        break;
      default:
        painter.bar(x, y + 4, width, 14, colours[span.layer], span.label);
    }
  }

  drawArrows() {
    const { history, view, painter } = this;
    const { arrows } = history;
    const first = lowerBound(arrows.leaves, view.from - arrows.longest);
    const last = lowerBound(arrows.leaves, view.to);
    const wanted = [];
    let beats = 0;
    for (let i = first; i < last; i++) {
      const event = arrows.event[i];
      if (arrows.leaves[i] + Math.max(arrows.takes[i], 0) < view.from) continue;
      if (!view.isShown(event) || this.top[arrows.to[i]] < 0) continue;
      const beat = history.group[event] === this.heartbeats;
      beats += beat;
      wanted.push(i);
      if (wanted.length - beats > ARROWS_MAX) return;
    }
    const { pen } = painter;
    const crowded = wanted.length - beats > 250;
    for (const i of wanted) {
      const event = arrows.event[i];
      const beat = history.group[event] === this.heartbeats;
      if (beat && beats > HEARTBEATS_MAX) continue;
      const x = this.x(arrows.leaves[i]);
      const lost = arrows.takes[i] < 0;
      const down = arrows.to[i] > history.lane[event];
      const begin = this.y(history.lane[event]);
      pen.strokeStyle = painter.ofGroup(history.groups[history.group[event]][0]);
      pen.lineWidth = beat || crowded ? 0.7 : 1.5;
      pen.globalAlpha = beat || crowded ? 0.55 : 0.9;
      painter.arrow(x, begin, lost ? x : this.x(arrows.leaves[i] + arrows.takes[i]), this.y(arrows.to[i]) + (down ? -4 : 4), lost, !crowded);
    }
    pen.globalAlpha = 1;
  }

  drawEvents(first, last) {
    const { history, view } = this;
    const spread = last - first > 3000;
    const size = spread ? 2.2 : last - first > 400 ? 2.8 : 3.6;
    // For each lane: the pixel that is being filled, and the most telling event on it.
    const pixel = new Int32Array(history.lanes.length).fill(-1e9);
    const best = new Int32Array(history.lanes.length).fill(-1);
    const flush = (lane) => {
      if (best[lane] < 0) return;
      const event = best[lane];
      this.painter.mark(history.groups[history.group[event]][0], this.x(history.at[event]), this.y(lane), size);
    };
    for (let event = first; event < last; event++) {
      const lane = history.lane[event];
      if (!view.isShown(event) || this.top[lane] < 0) continue;
      const x = Math.round(this.x(history.at[event]) / 2);
      if (x !== pixel[lane]) {
        flush(lane);
        pixel[lane] = x;
        best[lane] = event;
      } else if (this.weight[history.group[event]] >= this.weight[history.group[best[lane]]]) {
        best[lane] = event;
      }
    }
    history.lanes.forEach((_, lane) => flush(lane));
  }

  /** The violation in red, joined to what it is about. */
  drawViolation() {
    const { history, view, painter } = this;
    const { pen, colours } = painter;
    history.violations.forEach((violation, index) => {
      const x = this.x(history.at[violation.event]);
      const lane = violation.lane ?? history.lane[violation.event];
      if (this.top[lane] < 0) return;
      const current = index === view.violation;
      if (current) {
        const places = violation.thread.filter((event) => this.top[history.lane[event]] >= 0);
        pen.strokeStyle = colours.violation;
        pen.lineWidth = 2;
        pen.setLineDash([6, 3]);
        pen.beginPath();
        places.forEach((event) => pen.lineTo(this.x(history.at[event]), this.y(history.lane[event])));
        pen.lineTo(x, this.y(lane));
        pen.stroke();
        pen.setLineDash([]);
        places.forEach((event) => painter.ring(this.x(history.at[event]), this.y(history.lane[event]), 6, colours.violation, 1.5));
      }
      if (x < SIDE - 20 || x > painter.width + 20) return;
      painter.ring(x, this.y(lane), current ? 9 : 6, colours.violation, current ? 3 : 2);
      if (!current) return;
      pen.font = painter.font(12, 700);
      const text = `${violation.property} broken`;
      const wide = pen.measureText(text).width + 12;
      const left = Math.min(Math.max(x - wide / 2, SIDE + 2), painter.width - wide - 2);
      painter.bar(left, this.y(lane) + 13, wide, 18, colours.violation);
      pen.fillStyle = contrast(colours.violation);
      pen.fillText(text, left + 6, this.y(lane) + 26);
    });
  }

  drawChosen() {
    const { history, view, painter } = this;
    if (view.chosen < 0 || this.top[history.lane[view.chosen]] < 0) return;
    const x = this.x(history.at[view.chosen]);
    const { pen, colours } = painter;
    pen.strokeStyle = colours.ink;
    pen.lineWidth = 1;
    pen.globalAlpha = 0.5;
    pen.beginPath();
    pen.moveTo(x, HEAD);
    pen.lineTo(x, painter.height);
    pen.stroke();
    pen.globalAlpha = 1;
    this.drawItsArrows(view.chosen);
    painter.ring(x, this.y(history.lane[view.chosen]), 5, colours.ink, 2);
  }

  /** What left with an event, and what arrived with it, stands out. */
  drawItsArrows(chosen) {
    const { history, painter } = this;
    const { arrows } = history;
    const at = history.at[chosen];
    const lane = history.lane[chosen];
    painter.pen.strokeStyle = painter.colours.ink;
    painter.pen.lineWidth = 2;
    for (let i = lowerBound(arrows.leaves, at - arrows.longest); i < arrows.count && arrows.leaves[i] <= at; i++) {
      const from = history.lane[arrows.event[i]];
      const arrives = arrows.leaves[i] + arrows.takes[i];
      const comes = arrows.to[i] === lane && arrows.takes[i] >= 0 && Math.abs(arrives - at) < 1.5;
      if ((arrows.event[i] !== chosen && !comes) || this.top[from] < 0 || this.top[arrows.to[i]] < 0) continue;
      const lost = arrows.takes[i] < 0;
      painter.arrow(this.x(arrows.leaves[i]), this.y(from), lost ? this.x(at) : this.x(arrives), this.y(arrows.to[i]), lost, true);
    }
  }

  /** The lane at a height; −1 if there is none. */
  laneAt(y) {
    let found = -1;
    this.top.forEach((top, lane) => { if (top >= 0 && y >= top) found = lane; });
    return found;
  }

  /** The event under the pointer, within a few pixels; −1 if there is none. */
  eventAt(x, y) {
    const lane = this.laneAt(y);
    if (lane < 0 || x < SIDE) return -1;
    const reach = 9;
    const first = lowerBound(this.history.at, this.time(x - reach));
    const last = lowerBound(this.history.at, this.time(x + reach));
    return this.view.nearest(lane, this.time(x), first, last);
  }

  /** What lasts under the pointer. */
  spansAt(x, y) {
    const lane = this.laneAt(y);
    const at = this.time(x);
    return this.history.spans.filter((span) => span.lane === lane && (span.from <= at && at < span.to || span.from === span.to && Math.abs(x - this.x(span.from)) < 4) && (span.layer !== 'fault' || this.onRow(span, y)));
  }

  onRow(span, y) {
    const row = Math.floor((y - this.top[0] - 3) / WORLD);
    return Math.min(span.row, this.rows - 1) === row;
  }
}

/** 1, 2 or 5 times a power of ten. */
function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}

/** A fault's line without its braces and its time, which the picture shows. */
function shortFault(line) {
  return line.replace(/\{\s*|\s*\}$/g, '').replace(/^at = "[^"]*",\s*/, '').replaceAll('"', '');
}
