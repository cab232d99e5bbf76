'use strict';
// Puts the page together once all of it is there, and says what is wrong if it is not.

/** The strip above the diagram: the whole run, where it is busy, where it broke, and what is in sight. */
class Overview {
  constructor(canvas, history, view) {
    this.history = history;
    this.view = view;
    this.painter = new Painter(canvas);
    const move = (event) => {
      if (event.buttons === 0) return;
      const at = ((event.offsetX - SIDE) / (canvas.clientWidth - SIDE - 8)) * history.end;
      const half = (view.to - view.from) / 2;
      view.show(at - half, at + half);
    };
    canvas.addEventListener('pointerdown', (event) => { canvas.setPointerCapture(event.pointerId); move(event); });
    canvas.addEventListener('pointermove', move);
  }

  layOut() {
    const { painter, history } = this;
    painter.fit(44);
    // How many events of the telling kinds fall on each pixel.
    this.busy = new Float64Array(Math.max(Math.floor(painter.width - SIDE - 8), 1));
    const dull = new Set(['heartbeats', 'leases', 'status'].map((dull) => history.groups.findIndex(([name]) => name === dull)));
    for (let event = 0; event < history.count; event++) {
      if (!dull.has(history.group[event])) this.busy[Math.min(Math.floor((history.at[event] / history.end) * this.busy.length), this.busy.length - 1)]++;
    }
    this.most = this.busy.reduce((most, count) => Math.max(most, count), 1);
  }

  draw() {
    const { painter, history, view } = this;
    const { pen, colours } = painter;
    const x = (at) => SIDE + (at / Math.max(history.end, 1)) * this.busy.length;
    pen.clearRect(0, 0, painter.width, painter.height);
    for (const span of history.spans) {
      if (span.layer !== 'fault') continue;
      pen.fillStyle = colours.fault;
      pen.globalAlpha = 0.25;
      pen.fillRect(x(span.from), 0, Math.max(x(span.to) - x(span.from), 1), 44);
    }
    pen.globalAlpha = 1;
    pen.fillStyle = colours.soft;
    this.busy.forEach((count, at) => {
      const high = Math.sqrt(count / this.most) * 36;
      if (count) pen.fillRect(SIDE + at, 42 - high, 1, high);
    });
    pen.fillStyle = colours.violation;
    for (const violation of history.violations) pen.fillRect(x(history.at[violation.event]) - 1, 0, 3, 44);
    const left = Math.max(x(view.from), SIDE - 3);
    painter.outline(left, 1, Math.min(x(view.to), painter.width) - left, 42, colours.leader);
    pen.font = painter.font(11);
    pen.fillStyle = colours.soft;
    pen.fillText('whole run', 6, 26);
  }
}

function colourKey(painter) {
  const colours = { ...painter.colours, believes: painter.colours.leader, lease: painter.colours.leader, holds: painter.colours.fence, paused: painter.colours.ink, act: painter.colours.leader, gap: painter.colours.violation };
  for (const sample of document.querySelectorAll('#key i')) {
    const { layer } = sample.dataset;
    sample.classList.toggle('thin', ['believes', 'lease', 'holds'].includes(layer));
    sample.style.background = layer === 'believes' ? 'none' : layer === 'paused' ? `repeating-linear-gradient(135deg, ${colours.paused} 0 1px, transparent 1px 4px)` : colours[layer];
    sample.style.outline = layer === 'believes' ? `1.5px solid ${colours.believes}` : '';
  }
}

/** The list of what was broken: each item leads to its moment. */
function linkViolations(view) {
  const items = document.querySelectorAll('#broken li:not(.none)');
  view.history.violations.forEach((violation, index) => {
    if (!items[index]) return;
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...items[index].childNodes);
    button.title = violation.says;
    button.addEventListener('click', () => view.showViolation(index));
    items[index].append(button);
  });
}

function start() {
  const trouble = document.getElementById('trouble');
  const data = document.getElementById('data');
  if (!data || !window.whole) throw new BadData('The file was cut off: its end, with the run, is missing. Replay the seed to make it again.');
  const history = RunHistory.read(data.textContent);
  data.remove();
  for (const id of ['diagram', 'events-box']) document.getElementById(id).hidden = false;
  const view = new View(history);
  const diagram = new Diagram(document.getElementById('canvas'), history, view);
  const overview = new Overview(document.getElementById('overview'), history, view);
  const table = new EventTable(history, view);
  linkViolations(view);
  if (location.hash.length > 1) view.follow(location.hash.slice(1));
  const controls = new Controls(diagram, view);

  let asked = false;
  let later;
  const draw = () => {
    asked = false;
    diagram.draw();
    overview.draw();
    document.getElementById('range').textContent = `${seconds(Math.max(view.from, 0), 3)} to ${seconds(view.to, 3)}`;
    document.querySelectorAll('#broken button').forEach((button, index) => button.setAttribute('aria-current', index === view.violation));
  };
  const change = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(draw);
    clearTimeout(later);
    later = setTimeout(() => table.fill(), 120);
  };
  let told = null;
  view.listeners.push(change, () => {
    if (told !== view.chosen) table.tell();
    told = view.chosen;
  });
  const layOut = () => { diagram.layOut(); overview.layOut(); change(); };
  document.getElementById('lanes').addEventListener('change', layOut);
  addEventListener('resize', layOut);
  addEventListener('hashchange', () => { view.follow(location.hash.slice(1)); controls.showFilters(); layOut(); });
  const colour = () => {
    [diagram, overview].forEach((drawn) => drawn.painter.readColours());
    colourKey(diagram.painter);
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { colour(); change(); });
  // At once: the printer does not wait for the next frame.
  matchMedia('print').addEventListener('change', () => { colour(); draw(); });
  layOut();
  colourKey(diagram.painter);
  table.tell();
  draw();
  trouble.hidden = true;
  if (history.leftOut > 0) {
    const notice = document.getElementById('left-out');
    notice.textContent = `This run has ${history.total.toLocaleString('en')} events. The diagram shows ${history.count.toLocaleString('en')} of them: all that is no routine, and heartbeats, leases and states next to the moment that it begins with.`;
    notice.hidden = false;
  }
  window.fencepost = { history, view, diagram };
  requestAnimationFrame(() => performance.mark('drawn'));
}

addEventListener('DOMContentLoaded', () => {
  try {
    start();
  } catch (error) {
    const trouble = document.getElementById('trouble');
    if (!(error instanceof BadData)) console.error(error);
    for (const id of ['diagram', 'events-box']) document.getElementById(id)?.setAttribute('hidden', '');
    if (trouble) trouble.textContent = `${error.message} What else is on this page is still true.`;
  }
});
