"use strict";

// Round steps of an axis: 1, 2 or 5 times a power of ten, at most so many.
function ticks(low, high, most) {
  if (!(high > low)) return [low];
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(Number(at.toPrecision(12)));
  return found;
}

const short = (value) => String(Number(value.toPrecision(6)));

// Fit a canvas to its box and to the pixels of the screen; lengths stay those of CSS.
function fitted(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const dense = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) {
    canvas.width = Math.round(width * dense);
    canvas.height = Math.round(height * dense);
  }
  const context = canvas.getContext("2d");
  context.setTransform(dense, 0, 0, dense, 0, 0);
  return { context, width, height };
}

// Grey levels of both images along a line, with the spread of the samples and a scale of line pairs.
class Profile {
  constructor(canvas, pitch) {
    this.canvas = canvas;
    this.pitch = pitch; // [mm], null where nobody says it
  }

  // lines: [{ values, colour, dash }]; first and scale: position of the first value and length of one [px].
  draw(lines, band, first, scale) {
    const { context, width, height } = fitted(this.canvas);
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name);
    const box = { left: 58, right: width - 10, top: 10, bottom: height - 58 };
    context.clearRect(0, 0, width, height);
    const count = lines[0].values.length;
    if (count < 2) return;
    const all = lines.flatMap((line) => line.values);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const margin = 0.06 * (high - low) || 1;
    const unit = this.pitch ?? 1;
    const [from, to] = [first * unit, (first + (count - 1) * scale) * unit];
    const x = (index) => box.left + ((box.right - box.left) * index) / (count - 1);
    const y = (grey) => box.bottom - ((box.bottom - box.top) * (grey - low + margin)) / (high - low + 2 * margin);
    const place = (at) => box.left + ((box.right - box.left) * (at - from)) / (to - from);
    this.axes(context, box, { low: low - margin, high: high + margin, from, to, y, place, colour });
    context.save();
    context.beginPath();
    context.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
    context.clip();
    if (band) {
      context.beginPath();
      band.forEach((half, index) => context.lineTo(x(index), y(lines[1].values[index] + half)));
      for (let index = count - 1; index >= 0; index -= 1) context.lineTo(x(index), y(lines[1].values[index] - band[index]));
      context.globalAlpha = 0.3;
      context.fillStyle = lines[1].colour;
      context.fill();
      context.globalAlpha = 1;
    }
    for (const line of lines) {
      context.beginPath();
      line.values.forEach((grey, index) => context.lineTo(x(index), y(grey)));
      context.strokeStyle = line.colour;
      context.lineWidth = 1.6;
      context.setLineDash(line.dash);
      context.stroke();
    }
    context.restore();
    if (this.pitch) this.gauge(context, box, (box.right - box.left) / (to - from), colour);
  }

  axes(context, box, { low, high, from, to, y, place, colour }) {
    context.font = "12px system-ui, sans-serif";
    context.lineWidth = 1;
    context.setLineDash([]);
    context.fillStyle = colour("--muted");
    context.strokeStyle = colour("--grid");
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const grey of ticks(low, high, 5)) {
      context.beginPath();
      context.moveTo(box.left, y(grey));
      context.lineTo(box.right, y(grey));
      context.stroke();
      context.fillText(short(grey), box.left - 5, y(grey));
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    const most = Math.max(2, Math.floor((box.right - box.left) / 90));
    for (const at of ticks(from, to, most)) {
      context.fillText(short(at), place(at), box.bottom + 4);
      context.fillRect(place(at), box.bottom, 1, 4);
    }
    context.textAlign = "right";
    context.fillText(this.pitch ? "mm" : "px", box.right, box.bottom + 18);
    context.textAlign = "left";
    context.fillText("grey of the file", 4, box.bottom + 18);
    context.strokeStyle = colour("--muted");
    context.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  }

  // Bars and gaps of so many line pairs a millimetre, up to what the pixels can hold, where the screen can show them.
  gauge(context, box, perMm, colour) {
    let at = box.left;
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.fillStyle = colour("--ink");
    const middle = box.bottom + 44;
    for (const frequency of [0.1, 0.2, 0.5, 1, 2, 5, 10, 20]) {
      const period = perMm / frequency;
      const text = `${frequency} lp/mm`;
      const length = 3 * period + 6 + context.measureText(text).width + 16;
      if (period < 3 || period > 40 || 2 * frequency * this.pitch > 1 || at + length > box.right) continue;
      for (let bar = 0; bar < 3; bar += 1) context.fillRect(at + bar * period, middle - 5, period / 2, 10);
      context.fillText(text, at + 3 * period + 6, middle);
      at += length;
    }
  }
}
