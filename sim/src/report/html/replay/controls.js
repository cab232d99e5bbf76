'use strict';
// Keys, pointer, buttons and filters: each does one thing to the view.

const KEYS = {
  ArrowLeft: (view, event) => view.step(-1, event.shiftKey),
  ArrowRight: (view, event) => view.step(1, event.shiftKey),
  ArrowUp: (view) => view.stepLane(-1),
  ArrowDown: (view) => view.stepLane(1),
  '+': (view) => view.zoom(0.6),
  '=': (view) => view.zoom(0.6),
  '-': (view) => view.zoom(1 / 0.6),
  PageUp: (view) => view.pan(-0.5),
  PageDown: (view) => view.pan(0.5),
  Home: (view) => view.end(false),
  End: (view) => view.end(true),
  0: (view) => view.show(0, view.history.end),
  v: (view) => view.stepViolation(1),
  V: (view) => view.stepViolation(-1),
  l: (view) => copy(view),
  L: (view) => copy(view),
};

/** Copies a link to what is shown; the address shows it in any case. */
function copy(view) {
  location.hash = view.fragment();
  if (navigator.clipboard) navigator.clipboard.writeText(location.href).catch(() => {});
}

class Controls {
  constructor(diagram, view) {
    this.diagram = diagram;
    this.view = view;
    this.canvas = diagram.canvas;
    this.hint = document.getElementById('hint');
    this.pointers = new Map();
    this.listenToKeys();
    this.listenToPointer();
    this.listenToButtons();
    this.addFilters('lanes', view.history.lanes.map((name) => [name, name === 'world' ? 'faults and phases' : name]), view.hiddenLanes);
    this.addFilters('groups', view.history.groups, view.hiddenGroups);
    this.addKey();
  }

  listenToKeys() {
    this.canvas.addEventListener('keydown', (event) => {
      const act = !event.ctrlKey && !event.metaKey && !event.altKey && KEYS[event.key];
      if (!act) return;
      event.preventDefault();
      act(this.view, event);
    });
  }

  listenToPointer() {
    const { canvas, pointers } = this;
    canvas.addEventListener('wheel', (event) => {
      event.preventDefault();
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        this.view.pan((event.deltaX || event.deltaY) / canvas.clientWidth);
      } else {
        this.view.zoom(1.0015 ** event.deltaY, this.diagram.time(event.offsetX));
      }
    }, { passive: false });
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, { x: event.offsetX, start: event.offsetX });
      canvas.classList.add('drags');
    });
    canvas.addEventListener('pointermove', (event) => {
      if (pointers.has(event.pointerId)) this.drag(event);
      else this.hover(event);
    });
    const up = (event) => {
      const pointer = pointers.get(event.pointerId);
      pointers.delete(event.pointerId);
      if (!pointers.size) canvas.classList.remove('drags');
      if (event.type === 'pointerup' && pointer && Math.abs(event.offsetX - pointer.start) < 4) this.click(event);
    };
    canvas.addEventListener('pointerup', up);
    canvas.addEventListener('pointercancel', up);
    canvas.addEventListener('pointerleave', () => { this.hint.hidden = true; });
  }

  /** One pointer moves the picture, two stretch it. */
  drag(event) {
    const { pointers, view, canvas } = this;
    const pointer = pointers.get(event.pointerId);
    const other = [...pointers.values()].find((another) => another !== pointer);
    if (other) {
      const before = Math.max(Math.abs(pointer.x - other.x), 10);
      const after = Math.max(Math.abs(event.offsetX - other.x), 10);
      view.zoom(before / after, this.diagram.time((event.offsetX + other.x) / 2));
    } else {
      view.pan((pointer.x - event.offsetX) / (canvas.clientWidth - SIDE));
    }
    pointer.x = event.offsetX;
  }

  click(event) {
    const found = this.diagram.eventAt(event.offsetX, event.offsetY);
    if (found >= 0) this.view.choose(found);
  }

  hover(event) {
    const { diagram, hint, view } = this;
    const { history } = view;
    const found = diagram.eventAt(event.offsetX, event.offsetY);
    const spans = diagram.spansAt(event.offsetX, event.offsetY);
    const lines = spans.map((span) => `${span.label} (${seconds(span.from, 3)} to ${seconds(span.to, 3)})`);
    if (found >= 0) lines.unshift(`${seconds(history.at[found])} ${history.lanes[history.lane[found]]}: ${history.say(found)}`);
    hint.hidden = lines.length === 0;
    if (hint.hidden) return;
    hint.textContent = lines.join('\n');
    const room = diagram.painter.width - hint.offsetWidth - 8;
    hint.style.left = `${Math.max(0, Math.min(event.offsetX + 12, room))}px`;
    hint.style.top = `${event.offsetY + 16}px`;
  }

  listenToButtons() {
    const { view } = this;
    const does = {
      'zoom-in': () => view.zoom(0.6), 'zoom-out': () => view.zoom(1 / 0.6), fit: () => view.show(0, view.history.end),
      before: () => view.step(-1, false), after: () => view.step(1, false), 'next-broken': () => view.stepViolation(1),
      link: () => copy(view),
    };
    for (const [name, act] of Object.entries(does)) document.getElementById(name).addEventListener('click', act);
    document.getElementById('next-broken').hidden = view.history.violations.length === 0;
    document.querySelector('#events tbody').addEventListener('click', (event) => {
      const row = event.target.closest('tr');
      if (row) view.choose(Number(row.dataset.event));
    });
  }

  addFilters(id, items, hidden) {
    const box = document.getElementById(id);
    items.forEach(([name, title], item) => {
      if (id === 'groups' && !this.view.history.group.includes(item)) return;
      const label = document.createElement('label');
      const check = document.createElement('input');
      check.type = 'checkbox';
      check.name = name;
      check.checked = !hidden.has(item);
      check.addEventListener('change', () => this.view.hide(hidden, item, !check.checked));
      label.title = title;
      label.append(check, name);
      box.append(label);
    });
  }

  /** Shows the filters as they are, if an address has set them. */
  showFilters() {
    const { history, hiddenLanes, hiddenGroups } = this.view;
    for (const check of document.querySelectorAll('#lanes input')) check.checked = !hiddenLanes.has(history.lanes.indexOf(check.name));
    for (const check of document.querySelectorAll('#groups input')) check.checked = !hiddenGroups.has(history.groups.findIndex(([name]) => name === check.name));
  }

  addKey() {
    const box = document.getElementById('key');
    const here = new Set(this.view.history.spans.map((span) => span.layer));
    for (const [layer, says] of KEY.filter(([layer]) => here.has(layer))) {
      const item = document.createElement('span');
      const sample = document.createElement('i');
      sample.dataset.layer = layer;
      item.append(sample, says);
      box.append(item);
    }
  }
}
