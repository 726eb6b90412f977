/**
 * A schedule's week as a grid that one paints, beside the lines of text of the form.
 *
 * How it works: the lines are what counts. Each stroke of mouse, finger or keyboard writes them,
 * and what is typed into them is drawn. Without this script they are all there is.
 *
 * Laws:
 * 1. A line that is understood here is one that the server understands, and means the same there.
 * 2. A line that is not understood is never written over: its day takes no paint.
 * 3. A stroke is a rectangle from where it began. It paints what its first cell was not.
 * 4. One cell is in the order of tabs. Arrows go from cell to cell, Space paints one, Shift with
 *    an arrow draws the stroke on.
 * 5. A stroke that is broken off leaves the week as it was.
 */

const DAYS = 7;
const MINUTES = 1440;
const HOUR = 60;
const QUARTER = 15;
const CLOSED = "closed";
const SPAN = /^(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})$/;
const ARROWS = new Map([
  ["ArrowUp", [-1, 0]],
  ["ArrowDown", [1, 0]],
  ["ArrowLeft", [0, -1]],
  ["ArrowRight", [0, 1]],
]);

/** Return the spans of a line, in order, as pairs of minutes; null for what is none (law 1). */
export function readDay(text) {
  const line = text.trim();
  if (line === "" || line.toLowerCase() === CLOSED) return [];
  const spans = line.split(",").map((part) => readSpan(part.trim()));
  if (spans.includes(null)) return null;
  spans.sort((one, other) => one[0] - other[0]);
  const touches = spans.some(([start], index) => index > 0 && start <= spans[index - 1][1]);
  return touches ? null : spans;
}

function readSpan(text) {
  const found = SPAN.exec(text);
  if (found === null) return null;
  const [startHour, startMinute, endHour, endMinute] = found.slice(1).map(Number);
  const start = HOUR * startHour + startMinute;
  const end = HOUR * endHour + endMinute;
  const isSpan = startMinute < HOUR && endMinute < HOUR && start < end && end <= MINUTES;
  return isSpan ? [start, end] : null;
}

function writeMinute(minute) {
  const hour = Math.floor(minute / HOUR);
  return `${String(hour).padStart(2, "0")}:${String(minute % HOUR).padStart(2, "0")}`;
}

/** Return spans as a line. */
export function writeDay(spans) {
  return spans.map(([start, end]) => `${writeMinute(start)}-${writeMinute(end)}`).join(", ");
}

/** Return spans with one more, or without it; what touches is one span. */
export function painted(spans, start, end, isOn) {
  const kept = spans.flatMap(([from, to]) => {
    const before = from < start ? [[from, Math.min(to, start)]] : [];
    const after = to > end ? [[Math.max(from, end), to]] : [];
    return from < end && to > start ? [...before, ...after] : [[from, to]];
  });
  if (isOn) kept.push([start, end]);
  kept.sort((one, other) => one[0] - other[0]);
  const joined = [];
  for (const [from, to] of kept) {
    const last = joined.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}

function minutesIn(spans, start, end) {
  const inside = ([from, to]) => Math.max(0, Math.min(to, end) - Math.max(from, start));
  return spans.reduce((sum, span) => sum + inside(span), 0);
}

export class WeekGrid {
  /** `lines` are the seven inputs, `names` the days', `place` where the grid stands. */
  constructor(document, lines, names, place) {
    this.document = document;
    this.lines = lines;
    this.names = names;
    this.table = place.querySelector("table");
    this.said = place.querySelector("[role=status]");
    this.step = HOUR;
    this.at = { row: 8, day: 0 };
    this.stroke = null;
    this.isPointed = false;
    this.listen(place.querySelector("select"));
    this.build();
    place.hidden = false;
  }

  listen(steps) {
    steps.addEventListener("change", () => this.stepBy(Number(steps.value)));
    for (const line of this.lines) line.addEventListener("input", () => this.typed());
    const { table } = this;
    table.addEventListener("keydown", (event) => this.pressed(event));
    table.addEventListener("pointerdown", (event) => this.touched(event));
    table.addEventListener("pointermove", (event) => this.movedTo(event));
    table.addEventListener("pointerup", () => this.lifted());
    table.addEventListener("pointercancel", () => this.brokenOff());
  }

  /** Show finer or coarser cells; the focus stays at its time. */
  stepBy(minutes) {
    const minute = this.at.row * this.step;
    this.step = minutes === QUARTER ? QUARTER : HOUR;
    this.at = { row: Math.floor(minute / this.step), day: this.at.day };
    this.stroke = null;
    this.build();
  }

  build() {
    const head = this.document.createElement("tr");
    head.append(this.heading("", "col"), ...this.names.map((name) => this.heading(name, "col")));
    const rows = [head];
    this.cells = [];
    for (let row = 0; row < MINUTES / this.step; row += 1) rows.push(this.rowOf(row));
    this.table.tBodies[0].replaceChildren(...rows);
    this.draw();
  }

  heading(words, scope) {
    const made = this.document.createElement(words === "" ? "td" : "th");
    if (words !== "") made.scope = scope;
    made.textContent = words;
    return made;
  }

  rowOf(row) {
    const made = this.document.createElement("tr");
    const start = row * this.step;
    made.append(this.heading(writeMinute(start), "row"));
    this.cells.push(
      this.names.map((_name, day) => {
        const cell = this.document.createElement("td");
        cell.setAttribute("role", "gridcell");
        cell.dataset.row = row;
        cell.dataset.day = day;
        made.append(cell);
        return cell;
      }),
    );
    return made;
  }

  typed() {
    this.stroke = null; // what it began with is over
    this.draw();
  }

  /** Draw what the lines say. */
  draw() {
    const week = this.lines.map((line) => readDay(line.value));
    for (const [row, cells] of this.cells.entries()) {
      for (const [day, cell] of cells.entries()) this.drawCell(cell, row, day, week[day]);
    }
  }

  drawCell(cell, row, day, spans) {
    const start = row * this.step;
    const end = start + this.step;
    const inside = spans === null ? 0 : minutesIn(spans, start, end);
    const isOn = inside === this.step;
    const isPart = inside > 0 && !isOn;
    const isHere = row === this.at.row && day === this.at.day;
    const words = `${this.names[day]} ${writeMinute(start)} to ${writeMinute(end)}`;
    const more = spans === null ? ", its line is not understood" : isPart ? ", in part" : "";
    cell.setAttribute("aria-label", words + more);
    cell.setAttribute("aria-selected", String(isOn));
    cell.ariaDisabled = spans === null ? "true" : null;
    cell.dataset.paint = spans === null ? "unknown" : isOn ? "on" : isPart ? "part" : "off";
    cell.tabIndex = isHere ? 0 : -1;
  }

  cellAt({ row, day }) {
    return this.cells[row][day];
  }

  isOnAt(place) {
    return this.cellAt(place).dataset.paint === "on";
  }

  focus(place) {
    this.cellAt(this.at).tabIndex = -1;
    this.at = place;
    const cell = this.cellAt(place);
    cell.tabIndex = 0;
    cell.focus();
  }

  /** Begin at a cell; `isOn` says what is painted, null: what the cell was not (law 3). */
  begin(place, isOn = null) {
    const before = this.lines.map((line) => line.value);
    this.stroke = { from: place, isOn: isOn ?? !this.isOnAt(place), before };
  }

  /** Paint the rectangle from the stroke's first cell to this one. */
  drawTo(place) {
    const { from, isOn, before } = this.stroke;
    const [top, bottom] = [from.row, place.row].sort((one, other) => one - other);
    const [first, last] = [from.day, place.day].sort((one, other) => one - other);
    const [start, end] = [top * this.step, (bottom + 1) * this.step];
    for (const [day, line] of this.lines.entries()) {
      const spans = readDay(before[day]);
      const isTouched = day >= first && day <= last && spans !== null;
      line.value = isTouched ? writeDay(painted(spans, start, end, isOn)) : before[day];
    }
    this.draw();
    const said = this.lines[place.day].value || CLOSED;
    this.said.textContent = `${this.names[place.day]}: ${said}`;
  }

  /** Put back what was there before the stroke (law 5). */
  brokenOff() {
    if (this.stroke === null) return;
    for (const [day, line] of this.lines.entries()) line.value = this.stroke.before[day];
    this.stroke = null;
    this.draw();
  }

  placeOf(element) {
    const cell = element?.closest?.("[role=gridcell]");
    if (!cell || !this.table.contains(cell)) return null;
    return { row: Number(cell.dataset.row), day: Number(cell.dataset.day) };
  }

  touched(event) {
    const place = this.placeOf(event.target);
    if (place === null || event.button !== 0) return;
    event.preventDefault();
    this.table.setPointerCapture(event.pointerId);
    this.focus(place);
    this.begin(place);
    this.isPointed = true;
    this.drawTo(place);
  }

  movedTo(event) {
    if (this.stroke === null || !this.isPointed) return;
    const place = this.placeOf(this.document.elementFromPoint(event.clientX, event.clientY));
    if (place !== null) this.drawTo(place);
  }

  lifted() {
    this.stroke = null;
    this.isPointed = false;
  }

  pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Escape") return this.brokenOff();
    const place = event.key === " " ? this.at : this.placeAfter(event.key);
    if (place === null) return;
    event.preventDefault();
    if (event.key === " ") {
      this.begin(place);
      this.drawTo(place);
    } else if (event.shiftKey) {
      this.extendTo(place);
    } else {
      this.stroke = null;
      this.focus(place);
    }
  }

  placeAfter(key) {
    const { row, day } = this.at;
    const rows = this.cells.length;
    if (key === "Home") return { row: 0, day };
    if (key === "End") return { row: rows - 1, day };
    if (!ARROWS.has(key)) return null;
    const [down, right] = ARROWS.get(key);
    return {
      row: Math.min(rows - 1, Math.max(0, row + down)),
      day: Math.min(DAYS - 1, Math.max(0, day + right)),
    };
  }

  /** Draw the stroke on. Where none was begun, this cell's own paint is spread. */
  extendTo(place) {
    if (this.stroke === null) this.begin(this.at, this.isOnAt(this.at));
    this.focus(place);
    this.drawTo(place);
  }
}

const place = document.getElementById("week");
if (place !== null) {
  const lines = Array.from({ length: DAYS }, (_, day) => document.getElementById(`id_day_${day}`));
  const names = lines.map((line) => line.labels[0].textContent.replace(/:\s*$/, ""));
  new WeekGrid(document, lines, names, place);
}
