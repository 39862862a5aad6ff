// Small pieces of the page that know nothing of its state. Text is only ever set as text, never as HTML.

export function paintAccent(colour) {
  if (!colour) return;
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16) / 255);
  const light = [r, g, b].map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  const luminance = 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  // A shop's colour is used only where it can be read against the card: contrast of at least 4.5.
  const contrast = dark ? (luminance + 0.05) / 0.061 : 1.05 / (luminance + 0.05);
  if (contrast < 4.5) return;
  document.documentElement.style.setProperty("--accent", colour);
  document.documentElement.style.setProperty("--on-accent", luminance > 0.18 ? "#0b1312" : "#ffffff");
}

export function dayName(date, texts, language) {
  const midnight = (d) => new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();
  const days = Math.round((midnight(new Date()) - midnight(date)) / 86400000);
  if (days === 0) return texts.today;
  if (days === 1) return texts.yesterday;
  return new Intl.DateTimeFormat(language, { day: "numeric", month: "long" }).format(date);
}

export function clock(date, language) {
  return new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" }).format(date);
}

export const isWebAddress = (address) => /^https?:\/\//.test(address ?? "");

export function appendText(bubble, text, texts) {
  let from = 0;
  for (const found of text.matchAll(/https?:\/\/[^\s<>"]+[^\s<>".,;:!?)»]/g)) {
    bubble.append(text.slice(from, found.index), link(found[0], found[0], texts));
    from = found.index + found[0].length;
  }
  bubble.append(text.slice(from));
}

export function link(address, title, texts) {
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer";
  anchor.textContent = title;
  const note = document.createElement("span");
  note.className = "hidden";
  note.textContent = ` (${texts.opens})`;
  anchor.append(note);
  return anchor;
}
