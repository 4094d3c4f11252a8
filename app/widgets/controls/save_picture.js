// Saves what the browser has drawn: the SVG layers and canvases of a figure's charts, placed as they
// are on the page, and below them the lines that say what they were drawn from.

const SVG = "http://www.w3.org/2000/svg";
const FONT = "11px sans-serif", LINE = 15, MARGIN = 10;

// Called again at each run of the page: the buttons stay, so that a press in between is not lost.
export default function ({ parentElement, data }) {
  ["PNG", "SVG"].forEach((kind, at) => {
    const button = parentElement.querySelectorAll("button")[at]
      ?? parentElement.appendChild(document.createElement("button"));
    button.textContent = `Save ${kind}`;
    button.onclick = async () => {
      const picture = drawn(data.figure, data.lines);
      const file = kind === "SVG" ? new Blob([text(picture)], { type: "image/svg+xml" })
        : await png(picture, data.lines);
      give(file, `${data.filename}.${kind.toLowerCase()}`);
    };
  });
}

function drawn(figure, lines) {
  const box = document.querySelector(`.st-key-${figure}_panels, .st-key-${figure}`);
  const place = box.getBoundingClientRect();
  const foot = lines.flatMap((line) => wrapped(line, place.width - 2 * MARGIN));
  const height = place.height + foot.length * LINE + 2 * MARGIN;
  const style = getComputedStyle(document.querySelector("[data-testid=stApp]"));
  const picture = element("svg", { xmlns: SVG, width: place.width, height,
                                   viewBox: `0 0 ${place.width} ${height}` });
  const metadata = element("metadata", {});
  metadata.textContent = lines.join("\n");
  picture.append(metadata, element("rect", { width: "100%", height: "100%",
                                             fill: style.backgroundColor }));
  for (const chart of box.querySelectorAll(".js-plotly-plot, [data-testid=stEChartsChart]")) {
    picture.append(...layers(chart, place));
  }
  foot.forEach((line, at) => {
    const words = element("text", { x: MARGIN, y: place.height + MARGIN + (at + 1) * LINE,
                                    fill: style.color, style: `font: ${FONT}` });
    words.textContent = line;
    picture.append(words);
  });
  return picture;
}

function layers(chart, place) {
  const scenes = Object.values(chart._fullLayout ?? {}).map((part) => part?._scene)
    .filter((scene) => scene?.toImage);
  return [...chart.querySelectorAll("svg.main-svg, canvas, [data-testid=stEChartsChart] svg")]
    .filter((layer) => !layer.parentElement.closest("svg")).map((layer) => {
      const at = layer.getBoundingClientRect();
      const where = { x: at.left - place.left, y: at.top - place.top, width: at.width,
                      height: at.height };
      if (layer.tagName === "CANVAS") {
        // A scene in three dimensions forgets its pixels once they are shown; it can draw them anew.
        const scene = scenes.find((one) => one.container?.contains(layer));
        return element("image", { ...where, href: scene ? scene.toImage("png")
          : layer.toDataURL("image/png") });
      }
      const copy = layer.cloneNode(true);
      copy.removeAttribute("style");
      // Where the picture is opened the page's font may be missing, and another one be wider.
      copy.querySelectorAll(".legend .scrollbox").forEach((box) => box.removeAttribute("clip-path"));
      Object.entries(where).forEach(([name, value]) => copy.setAttribute(name, value));
      return copy;
    });
}

function wrapped(line, width) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = FONT;
  const fits = (text) => pen.measureText(text).width <= width;
  const rows = [];
  for (const word of line.split(" ")) {
    const longer = `${rows.at(-1) ?? ""} ${word}`.trim();
    if (fits(longer)) rows.splice(-1, 1, longer);
    else rows.push(...broken(word, fits));
  }
  return rows;
}

// A word, such as a painted trigger's picture as text, in pieces that fit.
function broken(word, fits) {
  const pieces = [""];
  for (const letter of word) {
    if (fits(pieces.at(-1) + letter)) pieces[pieces.length - 1] += letter;
    else pieces.push(letter);
  }
  return pieces;
}

async function png(picture, lines) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text(picture))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = 2 * picture.getAttribute("width");
  canvas.height = 2 * picture.getAttribute("height");
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const head = 33; // the signature and the chunk IHDR
  const named = lines.map((line) => [line.slice(0, line.indexOf(":")),
                                     line.slice(line.indexOf(":") + 2)]);
  return new Blob([bytes.slice(0, head), ...named.map(([name, value]) => iTXt(name, value)),
                   bytes.slice(head)], { type: "image/png" });
}

// Length, type, name, NUL, not compressed, no language, value in UTF-8, checksum: PNG, 11.3.4.5.
function iTXt(name, value) {
  const body = new TextEncoder().encode(`iTXt${name}\0\0\0\0\0${value}`);
  const chunk = new Uint8Array(body.length + 8), view = new DataView(chunk.buffer);
  view.setUint32(0, body.length - 4);
  chunk.set(body, 4);
  view.setUint32(4 + body.length, crc32(body));
  return chunk;
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  Object.entries(attributes).filter(([key]) => key !== "xmlns")
    .forEach(([key, value]) => made.setAttribute(key, value));
  return made;
}

function text(picture) { return new XMLSerializer().serializeToString(picture); }

function give(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // a busy machine begins late
}
