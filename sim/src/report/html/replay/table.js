'use strict';
// The same as text: the chosen event in a sentence, and a table of what is in sight.

/** The most rows of the table. */
const ROWS_MAX = 150;

class EventTable {
  constructor(history, view) {
    this.history = history;
    this.view = view;
    this.body = document.querySelector('#events tbody');
    this.about = document.getElementById('events-about');
    this.chosen = document.getElementById('chosen');
  }

  /** The chosen event, in a sentence. */
  tell() {
    const { history, view } = this;
    this.chosen.replaceChildren();
    if (view.chosen < 0) {
      this.chosen.append('No event is chosen. Click one, or use the arrow keys in the diagram.');
      return;
    }
    const moment = document.createElement('b');
    moment.textContent = seconds(history.at[view.chosen]);
    const where = history.lanes[history.lane[view.chosen]];
    this.chosen.append(moment, ` ${where}: ${history.say(view.chosen)}`);
    for (const violation of history.violations.filter((violation) => violation.event === view.chosen)) {
      const line = document.createElement('div');
      line.className = 'violated';
      line.textContent = `${violation.property} broken: ${violation.what}`;
      this.chosen.append(line);
    }
  }

  /** The events in sight, those next to the chosen one if there are too many. */
  fill() {
    const { history, view } = this;
    const [first, last] = view.range();
    const inside = view.chosen >= first && view.chosen < last;
    const middle = inside ? view.chosen : Math.floor((first + last) / 2);
    const rows = [];
    let before = middle;
    let after = middle + 1;
    while (rows.length < ROWS_MAX && (before >= first || after < last)) {
      if (before >= first && view.isShown(before)) rows.push(before);
      if (after < last && view.isShown(after)) rows.push(after);
      before--;
      after++;
    }
    rows.sort((a, b) => a - b);
    const more = before >= first || after < last;
    this.about.textContent = more
      ? `${rows.length} of ${last - first} events between ${seconds(view.from > 0 ? view.from : 0, 3)} and ${seconds(view.to, 3)}, next to the chosen one. Zoom in for the others.`
      : `${rows.length} events.`;
    this.body.replaceChildren(...rows.map((event) => this.row(event)));
  }

  row(event) {
    const { history, view } = this;
    const row = document.createElement('tr');
    row.dataset.event = event;
    row.setAttribute('aria-selected', event === view.chosen);
    if (history.broke.has(event)) row.className = 'broke';
    const moment = document.createElement('button');
    moment.type = 'button';
    moment.textContent = seconds(history.at[event]);
    const cells = [moment, history.lanes[history.lane[event]], history.say(event)];
    row.append(...cells.map((content) => {
      const cell = document.createElement('td');
      cell.append(content);
      return cell;
    }));
    return row;
  }
}
