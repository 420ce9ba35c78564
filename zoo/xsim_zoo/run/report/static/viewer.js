"use strict";

const CHECK = [235, 70, 20];
const SPREAD = [200, 40, 200];
const UNCHECKED = [128, 128, 128, 192];
// Half the side of the square around a place that fails [px of the screen].
const PLACE = 11;
// How near to the divider a pointer takes it [px of the screen].
const GRASP = 14;
const CLOSEST = 32;
// Longest side of the hatched map [px].
const FINEST = 2048;

const byId = (id) => document.getElementById(id);
const clamped = (value, low, high) => Math.min(Math.max(value, low), high);

// Before and after, wiped over one another, with zoom, grey window, overlays and a cursor.
class Viewer {
  constructor(numbers, views, check) {
    Object.assign(this, { numbers, views, check });
    this.canvas = byId("stage");
    this.profile = new Profile(byId("profile"), numbers.pitch_mm);
    this.divider = 0.5;
    this.pointers = new Map();
    this.first = [...numbers.window];
    this.setUpWindow();
    this.setUpControls();
    this.setUpPointer();
    this.choose(0);
    new ResizeObserver(() => this.resized()).observe(this.canvas.parentElement);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.ask());
  }

  // ---- what is shown

  choose(index) {
    this.view = this.views[index];
    this.cursor = { y: this.view.y + (this.view.height >> 1), x: this.view.x + (this.view.width >> 1) };
    const { spread } = this.view.planes;
    if (spread) {
      const most = spread.quantile(0.999) || 1;
      spread.paint((value) => tinted(SPREAD, value / most));
    }
    this.repaint();
    this.resized();
    this.fit();
  }

  repaint() {
    const [black, white] = this.window;
    const scale = 255 / (white - black || 1);
    for (const name of ["before", "after"]) {
      this.view.planes[name].paint((grey) => {
        const level = (grey - black) * scale;
        return [level, level, level, 255];
      });
    }
    this.ask();
  }

  // Draw once before the next frame, however often it is asked for.
  ask() {
    this.asked ??= requestAnimationFrame(() => {
      this.asked = undefined;
      this.draw();
    });
  }

  resized() {
    const width = this.canvas.parentElement.clientWidth;
    if (!width) return;
    const tall = (width * this.view.height) / this.view.width;
    this.canvas.style.height = `${Math.round(clamped(tall, 160, Math.max(260, 0.72 * window.innerHeight)))}px`;
    if (this.fitting) this.fit();
    else this.ask();
  }

  fit() {
    const least = Math.min(this.canvas.clientWidth / this.view.width, this.canvas.clientHeight / this.view.height);
    this.scale = least; // px of the screen for one of the image
    this.middle = { y: this.view.y + this.view.height / 2, x: this.view.x + this.view.width / 2 };
    this.fitting = true;
    this.least = least;
    this.canvas.style.touchAction = "pan-y";
    this.ask();
  }

  // Zoom about a point of the screen.
  zoom(factor, at = { x: this.canvas.clientWidth / 2, y: this.canvas.clientHeight / 2 }) {
    const held = this.imageAt(at);
    this.scale = clamped(this.scale * factor, this.least, Math.max(CLOSEST, this.least));
    if (this.scale <= this.least) return this.fit();
    this.fitting = false;
    this.canvas.style.touchAction = "none";
    const now = this.imageAt(at);
    this.moveTo(this.middle.y + held.y - now.y, this.middle.x + held.x - now.x);
  }

  moveTo(y, x) {
    const { view } = this;
    this.middle = { y: clamped(y, view.y, view.y + view.height), x: clamped(x, view.x, view.x + view.width) };
    this.ask();
  }

  imageAt({ x, y }) {
    return {
      y: this.middle.y + (y - this.canvas.clientHeight / 2) / this.scale,
      x: this.middle.x + (x - this.canvas.clientWidth / 2) / this.scale,
    };
  }

  screenAt({ x, y }) {
    return {
      y: this.canvas.clientHeight / 2 + (y - this.middle.y) * this.scale,
      x: this.canvas.clientWidth / 2 + (x - this.middle.x) * this.scale,
    };
  }

  point(y, x) {
    const { view } = this;
    this.cursor = {
      y: clamped(Math.floor(y), view.y, view.y + view.height - 1),
      x: clamped(Math.floor(x), view.x, view.x + view.width - 1),
    };
    this.ask();
  }

  // ---- drawing

  draw() {
    if (!this.canvas.clientWidth || !this.canvas.clientHeight) return; // not shown, as in print
    const { context, width, height } = fitted(this.canvas);
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    const split = this.divider * width;
    this.half(context, this.view.planes.before, 0, split, height);
    this.half(context, this.view.planes.after, split, width - split, height);
    if (byId("show-spread")?.checked) this.place(context, this.view.planes.spread);
    if (byId("show-check").checked) this.placeCheck(context);
    if (byId("show-places")?.checked) this.places(context);
    context.fillStyle = "#ffd54a";
    context.fillRect(split - 1, 0, 2, height);
    context.fillRect(split - 9, height / 2 - 13, 18, 26);
    context.fillStyle = "#000";
    context.font = "14px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText("↔", split, height / 2);
    this.cross(context, width, height);
    this.bar(context, height);
    this.read();
  }

  half(context, plane, left, wide, height) {
    context.save();
    context.beginPath();
    context.rect(left, 0, wide, height);
    context.clip();
    this.place(context, plane);
    context.restore();
  }

  place(context, plane, about = this.view, extent = this.view) {
    const corner = this.screenAt(about);
    context.imageSmoothingEnabled = this.scale * (extent.width / plane.width) < 1;
    context.drawImage(plane.canvas, corner.x, corner.y, extent.width * this.scale, extent.height * this.scale);
  }

  // The map of the check is that of the whole image, in blocks; only what belongs to the view is shown.
  placeCheck(context) {
    const { check, view } = this;
    const corner = this.screenAt(view);
    context.save();
    context.beginPath();
    context.rect(corner.x, corner.y, view.width * this.scale, view.height * this.scale);
    context.clip();
    const extent = { width: check.width * check.block, height: check.height * check.block };
    this.place(context, check, { y: 0, x: 0 }, extent);
    context.restore();
  }

  places(context) {
    context.strokeStyle = `rgb(${CHECK.join(" ")})`;
    context.lineWidth = 2;
    for (const place of this.numbers.places) {
      const { x, y } = this.screenAt(place);
      context.strokeRect(x - PLACE, y - PLACE, 2 * PLACE, 2 * PLACE);
    }
  }

  cross(context, width, height) {
    const { x, y } = this.screenAt({ y: this.cursor.y + 0.5, x: this.cursor.x + 0.5 });
    context.strokeStyle = "#4fd3ffb0";
    context.lineWidth = 1;
    context.beginPath();
    if (byId("along").value === "row") {
      context.moveTo(0, y);
      context.lineTo(width, y);
      context.moveTo(x, y - 9);
      context.lineTo(x, y + 9);
    } else {
      context.moveTo(x, 0);
      context.lineTo(x, height);
      context.moveTo(x - 9, y);
      context.lineTo(x + 9, y);
    }
    context.stroke();
  }

  // A bar of round length, about a fifth of the width.
  bar(context, height) {
    const unit = this.numbers.pitch_mm ?? 1;
    const per = this.scale / unit;
    const wanted = this.canvas.clientWidth / 5 / per;
    const power = 10 ** Math.floor(Math.log10(wanted));
    const length = [5, 2, 1].map((times) => times * power).find((size) => size <= wanted) ?? power;
    const text = `${short(length)} ${this.numbers.pitch_mm ? "mm" : "px"}`;
    context.font = "13px system-ui, sans-serif";
    const wide = Math.max(length * per, context.measureText(text).width) + 16;
    context.fillStyle = "#000000b8";
    context.fillRect(8, height - 38, wide, 30);
    context.fillStyle = "#fff";
    context.fillRect(16, height - 15, length * per, 3);
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    context.fillText(text, 16, height - 20);
  }

  // ---- reading

  read() {
    const { view, cursor } = this;
    const { before, after, spread } = view.planes;
    const [row, column] = [Math.floor((cursor.y - view.y) / view.factor), Math.floor((cursor.x - view.x) / view.factor)];
    const pitch = this.numbers.pitch_mm;
    const where = pitch ? ` (${short(cursor.y * pitch)}, ${short(cursor.x * pitch)} mm)` : "";
    const parts = [`y ${cursor.y}, x ${cursor.x}${where}: before ${short(before.at(row, column))}`];
    parts.push(`after ${short(after.at(row, column))}${spread ? ` ± ${spread.at(row, column).toPrecision(3)}` : ""}`);
    const block = this.check.block;
    const chi2 = this.check.at(Math.floor(cursor.y / block), Math.floor(cursor.x / block));
    parts.push(chi2 > 0 ? `local chi2 ${chi2.toFixed(2)}` : "not judged by the check");
    byId("reading").textContent = parts.join(", ");
    this.drawProfile(row, column);
  }

  drawProfile(row, column) {
    const { view } = this;
    const along = byId("along").value === "row" ? "x" : "y";
    const sides = { x: this.canvas.clientWidth, y: this.canvas.clientHeight };
    const most = { x: view.planes.before.width, y: view.planes.before.height }[along];
    const start = (this.middle[along] - view[along] - sides[along] / 2 / this.scale) / view.factor;
    const first = clamped(Math.floor(start), 0, most - 1);
    const last = clamped(Math.ceil(start + sides[along] / this.scale / view.factor), first + 1, most);
    const values = (plane) => {
      const found = [];
      for (let at = first; at < last; at += 1) found.push(along === "x" ? plane.at(row, at) : plane.at(at, column));
      return found;
    };
    const style = getComputedStyle(document.documentElement);
    const lines = [
      { values: values(view.planes.before), colour: style.getPropertyValue("--s0"), dash: [4, 3] },
      { values: values(view.planes.after), colour: style.getPropertyValue("--s2"), dash: [] },
    ];
    const band = view.planes.spread ? values(view.planes.spread) : null;
    this.profile.draw(lines, band, view[along] + first * view.factor, view.factor);
  }

  // ---- controls

  setUpWindow() {
    const ends = this.views.flatMap((view) => [...view.planes.before.ends(), ...view.planes.after.ends()]);
    this.ends = [Math.min(...ends), Math.max(...ends)];
    this.window = [...this.first];
    for (const [index, name] of ["black", "white"].entries()) {
      const [field, range] = [byId(name), byId(`${name}-range`)];
      [range.min, range.max] = this.ends;
      const take = (event) => {
        const value = event.target.valueAsNumber;
        if (Number.isFinite(value)) this.setWindow(index === 0 ? [value, this.window[1]] : [this.window[0], value]);
      };
      field.addEventListener("change", take);
      range.addEventListener("input", take);
    }
    this.showWindow();
  }

  setWindow(levels) {
    this.window = levels;
    this.showWindow();
    this.repaint();
  }

  showWindow() {
    for (const [index, name] of ["black", "white"].entries()) {
      byId(name).value = short(this.window[index]);
      byId(`${name}-range`).value = this.window[index];
    }
  }

  setUpControls() {
    const click = (id, action) => byId(id).addEventListener("click", action);
    click("fit", () => this.fit());
    click("one", () => this.zoom(1 / this.scale));
    click("closer", () => this.zoom(1.5));
    click("farther", () => this.zoom(1 / 1.5));
    const rising = () => this.first[0] <= this.first[1];
    click("whole", () => this.setWindow(rising() ? [...this.ends] : [...this.ends].reverse()));
    click("usual", () => this.setWindow([...this.first]));
    click("swap", () => this.setWindow([...this.window].reverse()));
    for (const id of ["show-check", "show-spread", "show-places", "along"]) {
      byId(id)?.addEventListener("change", () => this.ask());
    }
    byId("divider").addEventListener("input", (event) => this.divide(event.target.valueAsNumber / 100));
    const select = byId("view");
    this.views.forEach((view, index) => select.add(new Option(view.name, index)));
    select.addEventListener("change", () => this.choose(Number(select.value)));
    select.parentElement.hidden = this.views.length < 2;
    for (const line of document.querySelectorAll("#places tbody tr")) {
      line.addEventListener("click", () => this.goTo(...[0, 1].map((cell) => Number(line.cells[cell].dataset.value))));
    }
  }

  goTo(y, x) {
    const inside = ({ view }) => y >= view.y && y < view.y + view.height && x >= view.x && x < view.x + view.width;
    if (!inside(this)) this.choose(0);
    this.point(y, x);
    this.fitting = false;
    this.canvas.style.touchAction = "none";
    this.scale = Math.max(this.least, 3);
    this.moveTo(y, x);
    this.canvas.scrollIntoView({ block: "center" });
  }

  divide(share) {
    this.divider = clamped(share, 0, 1);
    byId("divider").value = 100 * this.divider;
    this.ask();
  }

  setUpPointer() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.up(event));
    canvas.addEventListener("keydown", (event) => this.press(event));
    const wheel = (event) => {
      // Only an image that was clicked takes the wheel: a page must scroll.
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 400), this.local(event));
    };
    canvas.addEventListener("wheel", wheel, { passive: false });
  }

  local(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  down(event) {
    const at = this.local(event);
    this.pointers.set(event.pointerId, at);
    this.canvas.setPointerCapture(event.pointerId);
    this.moved = 0;
    this.dividing = this.pointers.size === 1 && Math.abs(at.x - this.divider * this.canvas.clientWidth) < GRASP;
  }

  move(event) {
    const at = this.local(event);
    const last = this.pointers.get(event.pointerId);
    if (!last) {
      // A mouse that hovers reads; a finger reads where it taps.
      if (event.pointerType === "mouse") this.pointAt(at);
      return;
    }
    this.moved += Math.hypot(at.x - last.x, at.y - last.y);
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (this.dividing) this.divide(at.x / this.canvas.clientWidth);
    else if (other) {
      const spread = (one) => Math.hypot(one.x - other.x, one.y - other.y) || 1;
      this.zoom(spread(at) / spread(last), { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 });
    } else if (!this.fitting) {
      this.moveTo(this.middle.y - (at.y - last.y) / this.scale, this.middle.x - (at.x - last.x) / this.scale);
    }
    this.pointers.set(event.pointerId, at);
  }

  up(event) {
    if (this.pointers.delete(event.pointerId) && this.moved < 4 && !this.dividing) this.pointAt(this.local(event));
    if (this.pointers.size === 0) this.dividing = false;
  }

  pointAt(at) {
    const { x, y } = this.imageAt(at);
    this.point(y, x);
  }

  press(event) {
    const far = event.shiftKey ? 10 : 1;
    const { x, y } = this.cursor;
    const actions = {
      ArrowLeft: () => this.point(y, x - far),
      ArrowRight: () => this.point(y, x + far),
      ArrowUp: () => this.point(y - far, x),
      ArrowDown: () => this.point(y + far, x),
      "+": () => this.zoom(1.5, this.screenAt(this.cursor)),
      "-": () => this.zoom(1 / 1.5),
      0: () => this.fit(),
    };
    if (!(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  }
}

function tinted(colour, share) {
  const strength = clamped(share, 0, 1);
  return [...colour, strength > 0 ? 255 * (0.15 + 0.65 * strength) : 0];
}

// What was not judged is hatched, so that it is told from grey of the image. Stripes want more pixels than one a block.
function hatched(check) {
  const fine = clamped(Math.floor(FINEST / Math.max(check.width, check.height)), 1, 8);
  const canvas = document.createElement("canvas");
  canvas.width = check.width * fine;
  canvas.height = check.height * fine;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(check.canvas, 0, 0, canvas.width, canvas.height);
  const picture = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let y = 0, at = 3; y < canvas.height; y += 1) {
    const row = Math.floor(y / fine) * check.width;
    for (let x = 0; x < canvas.width; x += 1, at += 4) {
      if (check.stored[row + Math.floor(x / fine)] === 0 && (x + y) % 8 < 4) picture.data[at] = UNCHECKED[3] / 5;
    }
  }
  context.putImageData(picture, 0, 0);
  return canvas;
}

async function begin() {
  const numbers = JSON.parse(byId("numbers").textContent);
  const views = await Promise.all(
    numbers.views.map(async (view) => {
      const planes = await Promise.all(Object.entries(view.images).map(async ([name, about]) => [name, await unpack(about)]));
      return { ...view, planes: Object.fromEntries(planes) };
    }),
  );
  const check = await unpack(numbers.check);
  const [low, high] = numbers.check.shown;
  check.paint((chi2) => (chi2 > 0 ? tinted(CHECK, (chi2 - low) / (high - low)) : UNCHECKED));
  check.canvas = hatched(check);
  document.querySelector(".viewer").hidden = false;
  document.documentElement.classList.add("live");
  new Viewer(numbers, views, { ...numbers.check, ...check, at: (y, x) => check.at(y, x) });
  document.documentElement.dataset.ready = "yes";
}

// Where the pixels cannot be unpacked the pictures stay, and the page says so.
if (typeof DecompressionStream === "function") begin();
