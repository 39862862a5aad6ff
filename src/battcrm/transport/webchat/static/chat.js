// The chat page. What was written but not accepted lives in localStorage and is sent again under the same id.

import { appendText, clock, dayName, isWebAddress, link, paintAccent } from "./render.js";
import { follow } from "./stream.js";

const root = document.body;
const key = root.dataset.key;
const texts = JSON.parse(root.dataset.texts);
const base = `/chat/${encodeURIComponent(key)}`;
const language = document.documentElement.lang;
const element = (id) => document.getElementById(id);
const ui = Object.fromEntries(
  ["log", "scroll", "form", "field", "send", "notice", "state", "dot", "latest", "welcome", "suggestions"].map((id) => [id, element(id)]),
);
const subtitle = ui.state.textContent;

// --- storage: private windows may refuse it, then it lives as long as the page

const memory = new Map();
const storage = {
  get(name) {
    try {
      return localStorage.getItem(`battcrm-chat:${key}:${name}`);
    } catch {
      return memory.get(name) ?? null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`battcrm-chat:${key}:${name}`, value);
    } catch {
      memory.set(name, value);
    }
  },
};

function readOutbox() {
  try {
    const kept = JSON.parse(storage.get("outbox") ?? "[]");
    return Array.isArray(kept) ? kept.filter((m) => m && typeof m.client_message_id === "string") : [];
  } catch {
    return [];
  }
}

let token = storage.get("token") ?? "";
let lastId = "";
let outbox = readOutbox();
const keepOutbox = () => storage.set("outbox", JSON.stringify(outbox));

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

// --- look

function showNotice(text) {
  ui.notice.textContent = text;
  ui.notice.hidden = !text;
}

function showState(name) {
  ui.dot.classList.toggle("on", name === "connected");
  ui.state.textContent = name === "connected" ? subtitle : texts.connecting;
}

// --- the log

const shown = new Map(); // client_message_id or feed id → element
let lastDay = "";

const atBottom = () => ui.scroll.scrollHeight - ui.scroll.scrollTop - ui.scroll.clientHeight < 80;
const toBottom = () => {
  ui.scroll.scrollTop = ui.scroll.scrollHeight;
  ui.latest.hidden = true;
};

function addDay(date) {
  const name = dayName(date, texts, language);
  if (name === lastDay) return;
  lastDay = name;
  const line = document.createElement("li");
  line.className = "day";
  line.textContent = name;
  ui.log.append(line);
}

function draw(item) {
  const mine = item.author === "visitor";
  const date = new Date(item.at);
  const keep = atBottom() || mine;
  if (mine) retireOptions();
  addDay(date);
  const line = document.createElement("li");
  line.className = mine ? "item mine" : "item";
  if (ui.scroll.getAttribute("aria-busy") !== "true") line.classList.add("fresh");
  const bubble = document.createElement("div");
  bubble.className = "bubble";
  const author = document.createElement("span");
  author.className = "hidden";
  author.textContent = `${mine ? texts.you : item.name || document.querySelector("h1").textContent}: `;
  bubble.append(author);
  appendText(bubble, item.text ?? "", texts);
  for (const address of (item.attachments ?? []).filter(isWebAddress)) bubble.append("\n", link(address, texts.attachment, texts));
  line.append(bubble);
  if (!mine && item.buttons?.length) line.append(options(item));
  const meta = document.createElement("div");
  meta.className = "meta";
  const time = document.createElement("time");
  time.dateTime = date.toISOString();
  time.textContent = clock(date, language);
  if (!mine && item.name) meta.append(`${item.name} ·`);
  meta.append(time);
  line.append(meta);
  ui.log.append(line);
  if (keep) toBottom();
  else ui.latest.hidden = false;
  return line;
}

/** Answers that were offered before the visitor's latest word are no answers to anything any more. */
function retireOptions() {
  for (const chip of ui.log.querySelectorAll(".options button:not(.chosen)")) chip.remove();
  for (const group of ui.log.querySelectorAll(".options:empty")) group.remove();
}

function options(item) {
  const group = document.createElement("div");
  group.className = "options";
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", texts.options);
  for (const button of item.buttons) {
    if (button.kind === "url") {
      if (!isWebAddress(button.url)) continue;
      const anchor = link(button.url, button.title, texts);
      anchor.className = "chip";
      group.append(anchor);
      continue;
    }
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip";
    chip.textContent = button.title;
    chip.addEventListener("click", () => {
      for (const other of group.querySelectorAll("button")) other.disabled = true;
      chip.classList.add("chosen");
      const pressed = { payload: button.payload || button.title, title: button.title };
      submit({ text: button.title, button: pressed });
      ui.field.focus();
    });
    group.append(chip);
  }
  return group;
}

function mark(message, state) {
  const line = shown.get(message.client_message_id);
  if (!line) return;
  const meta = line.querySelector(".meta");
  line.classList.toggle("failed", state === "failed");
  meta.querySelectorAll(".status").forEach((node) => node.remove());
  const status = document.createElement("span");
  status.className = "status";
  status.textContent = `· ${state === "failed" && message.problem ? message.problem : texts[state]}`;
  meta.append(status);
  if (state !== "failed") return;
  const again = document.createElement("button");
  again.type = "button";
  again.className = "again status";
  again.textContent = texts.retry;
  again.addEventListener("click", () => {
    delete message.problem;
    keepOutbox();
    mark(message, "sending");
    flush();
  });
  meta.append(again);
}

/** An item of the feed: new, or the echo of something drawn already. */
function receive(item) {
  lastId = item.id;
  const own = item.client_message_id;
  if (own && outbox.some((m) => m.client_message_id === own)) settle(own);
  if (shown.has(own ?? item.id)) return;
  shown.set(own ?? item.id, draw(item));
  ui.suggestions.hidden = true;
}

function settle(id) {
  const message = outbox.find((m) => m.client_message_id === id);
  outbox = outbox.filter((m) => m.client_message_id !== id);
  keepOutbox();
  if (message) mark(message, "sent");
}

// --- sending

function drawOwn(message) {
  shown.set(message.client_message_id, draw({ author: "visitor", text: message.text, at: message.at }));
  mark(message, message.problem ? "failed" : "sending");
}

function submit(content) {
  const message = { client_message_id: newId(), at: new Date().toISOString(), ...content };
  outbox.push(message);
  keepOutbox();
  ui.suggestions.hidden = true;
  drawOwn(message);
  flush();
}

let flushing = false;
let again = null;

async function flush() {
  if (flushing) return;
  flushing = true;
  clearTimeout(again);
  try {
    for (let next; (next = outbox.find((m) => !m.problem)); ) {
      const pause = await deliver(next);
      if (pause) {
        again = setTimeout(flush, pause);
        return;
      }
    }
    showNotice("");
  } finally {
    flushing = false;
  }
}

/** Sends one message. Returns the pause in milliseconds before trying again, 0 = done with it. */
async function deliver(message) {
  let answer;
  try {
    if (!token) await openSession();
    const { at, problem, ...body } = message;
    answer = await fetch(`${base}/messages`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: JSON.stringify({ ...body, locale: language }),
      signal: AbortSignal.timeout(20000),
    });
  } catch {
    showNotice(texts.offline);
    return 4000;
  }
  if (answer.ok) {
    settle(message.client_message_id);
    return 0;
  }
  if (answer.status === 401) {
    token = "";
    return 500;
  }
  if (answer.status === 429 || answer.status >= 500) {
    showNotice(answer.status === 429 ? texts.busy : texts.offline);
    return 1000 * Math.max(1, Number(answer.headers.get("Retry-After")) || 2);
  }
  message.problem = answer.status === 413 || (message.text ?? "").length > 4000 ? texts.too_long : texts.failed;
  keepOutbox();
  mark(message, "failed");
  return 0;
}

async function openSession() {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(`${base}/session`, { method: "POST", headers, signal: AbortSignal.timeout(20000) });
  if (answer.status === 404) {
    showNotice(texts.gone);
    ui.field.disabled = ui.send.disabled = true;
  }
  if (!answer.ok) throw new Error(`session ${answer.status}`);
  token = (await answer.json()).token;
  storage.set("token", token);
}

async function loadHistory() {
  const answer = await fetch(`${base}/history`, { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" });
  if (!answer.ok) throw new Error(`history ${answer.status}`);
  const { items } = await answer.json();
  // Screen readers announce what is new, not a whole conversation after a reload.
  ui.scroll.setAttribute("aria-busy", "true");
  items.forEach(receive);
  for (const message of outbox) if (!shown.has(message.client_message_id)) drawOwn(message);
  ui.scroll.removeAttribute("aria-busy");
  toBottom();
}

// --- start

function offerSuggestions() {
  ui.suggestions.setAttribute("role", "group");
  ui.suggestions.setAttribute("aria-label", texts.suggest_label);
  for (const name of ["suggest_1", "suggest_2", "suggest_3"]) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip";
    chip.textContent = texts[name];
    chip.addEventListener("click", () => {
      submit({ text: texts[name] });
      ui.field.focus();
    });
    ui.suggestions.append(chip);
  }
}

function fitField() {
  ui.field.style.height = "auto";
  ui.field.style.height = `${ui.field.scrollHeight + 2}px`;
}

ui.form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = ui.field.value.trim();
  if (!text) return;
  ui.field.value = "";
  fitField();
  submit({ text });
  ui.field.focus();
});
ui.field.addEventListener("input", fitField);
ui.field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  ui.form.requestSubmit();
});
ui.latest.addEventListener("click", () => {
  toBottom();
  ui.field.focus();
});
let pinned = true;
ui.scroll.addEventListener("scroll", () => {
  pinned = atBottom();
  if (pinned) ui.latest.hidden = true;
});
// The on-screen keyboard shrinks the page: who was reading the end still reads the end.
new ResizeObserver(() => pinned && toBottom()).observe(ui.scroll);

async function start() {
  paintAccent(root.dataset.accent);
  offerSuggestions();
  showState("waiting");
  for (let pause = 1000; ; pause = Math.min(pause * 2, 20000)) {
    try {
      await openSession();
      await loadHistory();
      break;
    } catch {
      if (ui.field.disabled) return;
      for (const message of outbox) if (!shown.has(message.client_message_id)) drawOwn(message);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  const stream = follow(`${base}/events`, {
    token: () => token,
    lastId: () => lastId,
    item: receive,
    state: showState,
    refused: (status) => {
      if (status === 404) showNotice(texts.gone);
      if (status === 401) openSession().catch(() => {});
      return status !== 404;
    },
  });
  const resume = () => {
    stream.now();
    flush();
  };
  window.addEventListener("online", resume);
  document.addEventListener("visibilitychange", () => document.hidden || resume());
  flush();
}

start();
