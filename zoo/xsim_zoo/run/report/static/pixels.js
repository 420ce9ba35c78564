"use strict";

// Pixels stand in the page as base 64 of zlib of two planes of bytes, high and low, of the steps along each row.
async function unpack(about) {
  const text = atob(document.getElementById(`plane-${about.key}`).textContent);
  const packed = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) packed[at] = text.charCodeAt(at);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const count = about.width * about.height;
  const stored = new Uint16Array(count);
  for (let row = 0; row < count; row += about.width) {
    let level = 0;
    for (let at = row; at < row + about.width; at += 1) {
      level = (level + (bytes[at] << 8) + bytes[count + at]) & 65535;
      stored[at] = level;
    }
  }
  return new Plane(about, stored);
}

// Grey = offset + step * stored, on the scale of the file.
class Plane {
  constructor(about, stored) {
    Object.assign(this, about);
    this.stored = stored;
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.width;
    this.canvas.height = this.height;
  }

  at(y, x) {
    return this.offset + this.step * this.stored[y * this.width + x];
  }

  ends() {
    let [low, high] = [65535, 0];
    for (const level of this.stored) {
      if (level < low) low = level;
      if (level > high) high = level;
    }
    return [this.offset + this.step * low, this.offset + this.step * high].sort((a, b) => a - b);
  }

  // The value below which a share of the pixels lies.
  quantile(share) {
    const counts = new Uint32Array(65536);
    for (const level of this.stored) counts[level] += 1;
    let left = share * this.stored.length;
    const level = counts.findIndex((count) => (left -= count) <= 0);
    return this.offset + this.step * Math.max(level, 0);
  }

  // Colour every level once, and every pixel by its level: colour takes a grey and returns [r, g, b, opacity].
  paint(colour) {
    const context = this.canvas.getContext("2d");
    const picture = context.createImageData(this.width, this.height);
    const colours = new Uint32Array(65536);
    const parts = new Uint8ClampedArray(colours.buffer);
    for (let level = 0; level < 65536; level += 1) parts.set(colour(this.offset + this.step * level), 4 * level);
    const pixels = new Uint32Array(picture.data.buffer);
    for (let at = 0; at < pixels.length; at += 1) pixels[at] = colours[this.stored[at]];
    context.putImageData(picture, 0, 0);
  }
}
