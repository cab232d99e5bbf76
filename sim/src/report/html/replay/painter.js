'use strict';
// Colours and marks: what a thing looks like, and nothing about where it is.

/** Events that hide others where there is room for one only, the most telling last. */
const WEIGHT = ['heartbeats', 'status', 'outbox', 'leases', 'votes', 'rejoining', 'work', 'jobs', 'clocks', 'claims', 'sends', 'election', 'processes', 'faults', 'fence', 'effects'];

const COLOUR = {
  faults: '--fault', processes: '--ink', clocks: '--rejoining', election: '--leader', votes: '--vote',
  heartbeats: '--heartbeat', rejoining: '--rejoining', leases: '--leader', status: '--soft', fence: '--fence',
  claims: '--claim', sends: '--send', effects: '--send', outbox: '--soft', jobs: '--vote', work: '--vote',
};

/** What the key under the diagram says, layer by layer. */
const KEY = [
  ['leader', 'leader'], ['candidate', 'candidate'], ['pre-candidate', 'asks whether'], ['follower', 'follower'],
  ['rejoining', 'rejoining'], ['down', 'down'], ['paused', 'stands still'],
  ['believes', 'believes that it may act'], ['lease', 'its lease, by its own clock'],
  ['holds', 'the fence would let it act'],
  ['act', 'somebody may act'], ['gap', 'nobody may act'],
];

class Painter {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext('2d');
    this.colours = {};
    this.readColours();
  }

  /** Reads the colours of the page again: light and dark may have changed. */
  readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ['page', 'box', 'ink', 'soft', 'line', 'shade', 'leader', 'candidate', 'pre-candidate', 'follower', 'rejoining', 'observer', 'down', 'fence', 'violation', 'send', 'claim', 'vote', 'heartbeat', 'fault']) {
      this.colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
    this.font = (size, weight = 400) => `${weight} ${size}px ${style.getPropertyValue('--sans')}`;
  }

  /** Makes the canvas as large as its box, to the pixel of the screen. */
  fit(height) {
    const scale = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    this.canvas.style.height = `${height}px`;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.pen.setTransform(scale, 0, 0, scale, 0, 0);
    this.width = width;
    this.height = height;
  }

  ofGroup(group) {
    return this.colours[COLOUR[group].slice(2)];
  }

  bar(x, y, width, height, colour, label) {
    const { pen } = this;
    pen.fillStyle = colour;
    pen.beginPath();
    pen.roundRect(x, y, Math.max(width, 1), height, Math.min(3, width / 2, height / 2));
    pen.fill();
    if (label && width > 36) this.label(label, x + 4, y + height / 2 + 3.5, width - 8, contrast(colour));
  }

  label(text, x, y, room, colour, size = 10.5) {
    const { pen } = this;
    pen.save();
    pen.beginPath();
    pen.rect(x, y - 14, room, 20);
    pen.clip();
    pen.font = this.font(size, 500);
    pen.fillStyle = colour;
    pen.fillText(text, x, y);
    pen.restore();
  }

  /** Slanted lines: a process that stands still. */
  hatch(x, y, width, height) {
    const { pen } = this;
    pen.save();
    pen.beginPath();
    pen.rect(x, y, width, height);
    pen.fillStyle = this.colours.box;
    pen.globalAlpha = 0.55;
    pen.fill();
    pen.globalAlpha = 1;
    pen.clip();
    pen.strokeStyle = this.colours.ink;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let at = Math.max(x, 0) - height; at < Math.min(x + width, this.width); at += 6) {
      pen.moveTo(at, y + height);
      pen.lineTo(at + height, y);
    }
    pen.stroke();
    pen.restore();
  }

  outline(x, y, width, height, colour) {
    const { pen } = this;
    pen.strokeStyle = colour;
    pen.lineWidth = 1.5;
    pen.strokeRect(x + 0.75, y + 0.75, Math.max(width - 1.5, 0.5), height - 1.5);
  }

  /** The mark of an event: effects are squares, the fence's are diamonds, the rest dots. */
  mark(group, x, y, size) {
    const { pen } = this;
    pen.fillStyle = this.ofGroup(group);
    pen.strokeStyle = this.colours.box;
    pen.lineWidth = 1;
    pen.beginPath();
    if (group === 'effects') {
      pen.rect(x - size, y - size, 2 * size, 2 * size);
    } else if (group === 'fence') {
      pen.moveTo(x, y - size * 1.4);
      pen.lineTo(x + size * 1.4, y);
      pen.lineTo(x, y + size * 1.4);
      pen.lineTo(x - size * 1.4, y);
      pen.closePath();
    } else {
      pen.arc(x, y, size, 0, 2 * Math.PI);
    }
    pen.fill();
    pen.stroke();
  }

  arrow(x1, y1, x2, y2, lost, head) {
    const { pen } = this;
    if (lost) {
      // It stops half-way, at a cross.
      x2 = x1 + 10;
      y2 = y1 + (y2 - y1) * 0.35;
    }
    pen.beginPath();
    pen.moveTo(x1, y1);
    pen.lineTo(x2, y2);
    const angle = Math.atan2(y2 - y1, x2 - x1);
    if (lost) {
      pen.moveTo(x2 - 3, y2 - 3); pen.lineTo(x2 + 3, y2 + 3);
      pen.moveTo(x2 + 3, y2 - 3); pen.lineTo(x2 - 3, y2 + 3);
    } else if (head) {
      for (const side of [0.4, -0.4]) {
        pen.moveTo(x2, y2);
        pen.lineTo(x2 - 6 * Math.cos(angle + side), y2 - 6 * Math.sin(angle + side));
      }
    }
    pen.stroke();
  }

  ring(x, y, radius, colour, width = 2) {
    const { pen } = this;
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.stroke();
  }
}

/** Black or white, whichever can be read on the colour. */
function contrast(colour) {
  const parts = /^#(..)(..)(..)$/.exec(colour);
  if (!parts) return '#000';
  const [red, green, blue] = parts.slice(1).map((part) => parseInt(part, 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? '#14171b' : '#ffffff';
}
