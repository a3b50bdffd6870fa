// A webhook receiver in JavaScript: verifies, shows what is new, answers. Takes batches, too.
//
//     WEBHOOK_SECRET=whsec_... PORT=8090 node receiver.mjs
//
// Nothing but Node's own modules (20 and newer). A real one keeps the ids of the
// events it has handled in its database, in the same transaction as what it does
// about them; here they are kept in memory, the newest of them.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const MAX_BODY_BYTES = 16 * 1024 * 1024;
const MAX_IDS = 10_000;
const TOLERANCE_S = 300;

/** What follows `whsec_` is base64; any other secret is used as its bytes. */
function keyOf(secret) {
  const key = secret.startsWith("whsec_")
    ? Buffer.from(secret.slice("whsec_".length), "base64")
    : Buffer.from(secret, "utf8");
  if (key.length === 0) throw new Error("WEBHOOK_SECRET is needed");
  return key;
}

/** Whether exactly these bytes were signed, not long ago. */
function verifies(key, headers, body) {
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  const signatures = headers["webhook-signature"];
  if (!id || !signatures || !/^\d{1,15}$/.test(timestamp ?? "")) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_S) return false;
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  return signatures.split(" ").some((signature) => {
    if (!signature.startsWith("v1,")) return false;
    const given = Buffer.from(signature.slice("v1,".length), "base64");
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

/** The newest ids: a Set keeps the order in which they came. */
class Seen {
  #ids = new Set();

  isNew(id) {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > MAX_IDS) this.#ids.delete(this.#ids.values().next().value);
    return true;
  }
}

/** The bytes as they came, null when there are too many. */
async function bodyOf(request) {
  if (Number(request.headers["content-length"]) > MAX_BODY_BYTES) return null;
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The webhook id of an event that comes alone; in a batch it is not told. */
function idOf(event) {
  const what = event.is_final ? `${event.request_id}_final` : event.seq;
  return `${event.agent_id}_${what}`;
}

/** One line an event. */
function show(event) {
  const what = event.is_final ? event.outcome : event.kind;
  const said = event.error?.message ?? event.data?.text ?? "";
  console.log(`${event.request_id} ${event.seq} ${what} ${JSON.stringify(said)}`);
}

const key = keyOf(process.env.WEBHOOK_SECRET ?? "");
const seen = new Seen();

const server = createServer(async (request, response) => {
  try {
    const body = await bodyOf(request);
    if (body === null) {
      response.writeHead(413, { connection: "close" }).end();
    } else if (!verifies(key, request.headers, body)) {
      response.writeHead(401).end();
    } else {
      const payload = JSON.parse(body);
      for (const event of payload.events ?? [payload]) {
        if (seen.isNew(idOf(event))) show(event);
      }
      response.writeHead(204).end();
    }
  } catch {
    response.destroy(); // the sender went away in the middle of its body
  }
});

server.listen(Number(process.env.PORT ?? 8090), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
