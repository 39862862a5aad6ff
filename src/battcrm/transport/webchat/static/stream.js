// Server-sent events over fetch: unlike EventSource it can carry the visitor's token in a header.

const SILENCE_MS = 45000;

/** Splits a growing text into events; `push` returns those that became complete. */
export function eventParser() {
  let rest = "";
  return {
    push(text) {
      rest += text;
      const events = [];
      for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
        const event = { id: "", data: [] };
        for (const line of rest.slice(0, end).split("\n")) {
          if (line.startsWith("data: ")) event.data.push(line.slice(6));
          if (line.startsWith("id: ")) event.id = line.slice(4);
        }
        rest = rest.slice(end + 2);
        if (event.data.length) events.push({ id: event.id, data: event.data.join("\n") });
      }
      return events;
    },
  };
}

/**
 * Follows a stream for ever, reconnecting with the last id. `handlers`: token(), lastId(), item(object), state(name) with
 * connected | waiting, refused(status) → false to stop. Returns { now } to reconnect at once.
 */
export function follow(url, handlers) {
  let failures = 0;
  let wake = () => {};
  let current = null;

  async function once() {
    current = new AbortController();
    let silence = setTimeout(() => current.abort(), SILENCE_MS);
    try {
      const headers = { Authorization: `Bearer ${handlers.token()}` };
      if (handlers.lastId()) headers["Last-Event-ID"] = handlers.lastId();
      const answer = await fetch(url, { headers, signal: current.signal, cache: "no-store" });
      if (!answer.ok) return handlers.refused(answer.status);
      failures = 0;
      handlers.state("connected");
      const parser = eventParser();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return true;
        clearTimeout(silence);
        silence = setTimeout(() => current.abort(), SILENCE_MS);
        for (const event of parser.push(value)) handlers.item(JSON.parse(event.data));
      }
    } catch {
      failures += 1;
      return true;
    } finally {
      clearTimeout(silence);
    }
  }

  async function loop() {
    while ((await once()) !== false) {
      handlers.state("waiting");
      const pause = Math.min(1000 * 2 ** failures, 20000) * (0.7 + Math.random() * 0.6);
      await new Promise((resolve) => {
        wake = resolve;
        setTimeout(resolve, pause);
      });
    }
  }

  loop();
  return {
    now() {
      failures = 0;
      wake();
    },
  };
}
