/**
 * Runs one vector file against the browser's phone: what `tests/vectors/phone_run.py` does for the
 * Python one. `tests/vectors/README.md` says what each member and step of a file means.
 *
 * Laws:
 * 1. The phone is observed from outside only: what it sends, shows, reads again, and what its
 *    wallet holds afterwards.
 * 2. Every byte of chance comes from the file, in its order, in the size that it has there.
 * 3. An open is made of chance that no file can fix (RSA-OAEP, signature). So it is opened with the
 *    epoch's private key, and everything below that is told.
 */

const base = new URL("./static/", import.meta.url);
const [bytes, cbor, cose, framing, plaintexts, sealing, attempts, links, wallets] =
  await Promise.all(
    [
      "protocol/bytes.js",
      "protocol/cbor.js",
      "protocol/cose.js",
      "protocol/framing.js",
      "protocol/plaintexts.js",
      "protocol/sealing.js",
      "phone/attempt.js",
      "phone/onlink.js",
      "phone/wallet.js",
    ].map((name) => import(new URL(name, base))),
  );
const { fromHex, toHex } = bytes;

const WALL = 1_800_000_000; // Unix seconds at which every file's clock begins
const INSTANT = 1e-6; // seconds that count as none: what sums of floats differ by

function check(holds, what) {
  if (!holds) throw new Error(what);
}

/** Random bytes of one file, in its order. */
class Chance {
  constructor(drawn) {
    this.drawn = drawn;
    this.at = 0;
  }

  draw(size) {
    check(this.at < this.drawn.length, `a draw of ${size} bytes that the file does not hold`);
    const value = fromHex(this.drawn[this.at].bytes);
    check(value.length === size, `draw ${this.at}: ${size} bytes, the file has ${value.length}`);
    this.at += 1;
    return value;
  }
}

function der(pem) {
  const letters = pem.replace(/-----[^-]+-----/g, "").replace(/\s/g, "");
  return Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
}

/** Read a signing key: P-256 or RSA; return it with its public half. */
async function signingKey(pem) {
  const kinds = [
    [cose.ES256, { name: "ECDSA", namedCurve: "P-256" }],
    [cose.PS256, { name: "RSA-PSS", hash: "SHA-256" }],
  ];
  for (const [alg, how] of kinds) {
    const key = await crypto.subtle
      .importKey("pkcs8", der(pem), how, true, ["sign"])
      .catch(() => null);
    if (key !== null) {
      const { kty, crv, x, y, n, e } = await crypto.subtle.exportKey("jwk", key);
      const half = alg === cose.ES256 ? { kty, crv, x, y } : { kty, n, e };
      const open = await crypto.subtle.importKey("jwk", half, how, true, ["verify"]);
      const modulusBytes = n === undefined ? 0 : bytes.fromBase64url(n).length;
      return { signer: { alg, key, modulusBytes }, verifies: { alg, key: open } };
    }
  }
  throw new Error("neither a P-256 nor an RSA key");
}

async function makeWallet(given, signer) {
  const holds = {
    site: given.site,
    issuer: await cose.decodeKey(fromHex(given.issuer)),
    signer,
    grant: fromHex(given.grant),
    aeads: given.aeads,
    rsaBytes: given.rsa_bytes,
    revokedHubs: given.revoked_hubs,
  };
  const epochs = given.epochs.map((known) => ({
    hubCertificate: fromHex(known.hub_certificate),
    epochCertificate: fromHex(known.epoch_certificate),
  }));
  const tickets = given.tickets.map((kept) => [kept.hub_kid, ticketOf(kept)]);
  const fullPathAt = given.full_path_at ?? [];
  return wallets.Wallet.open(holds, { epochs, tickets, fullPathAt });
}

function ticketOf(kept) {
  return {
    hub: kept.hub,
    id: fromHex(kept.id),
    secret: fromHex(kept.secret),
    aead: kept.aead,
    expires: kept.expires,
    accessPoints: kept.access_points,
    hubExpires: kept.hub_expires,
  };
}

/** A phone in the state that a file gives, to be led through its steps. */
class PhoneRun {
  static async of(file) {
    const run = new PhoneRun();
    run.given = file.given;
    run.chance = new Chance(file.random);
    const { signer, verifies } = await signingKey(file.given.key);
    run.verifies = verifies;
    run.wallet = await makeWallet(file.given, signer);
    run.begin(WALL);
    return run;
  }

  /** The user asks: under a new op, or that of the same wish while it has no answer. */
  begin(wall) {
    const { access_point: accessPoint, action, transport, link } = this.given;
    const chance = (size) => this.chance.draw(size);
    const op = this.wallet.opFor(accessPoint, action, wall, chance);
    const wish = { wallet: this.wallet, accessPoint, action, chance, transport, op };
    this.attempt = new attempts.Attempt(wish);
    this.link = link ? new links.OnLink(this.attempt, link.subscribed) : null;
    this.sent = null;
  }

  async step(step) {
    if (step.do === "again") {
      this.begin(WALL + step.at);
      return [];
    }
    const effects = this.link === null ? await this.messageStep(step) : await this.linkStep(step);
    const said = [];
    for (const effect of effects) said.push(await this.describe(effect));
    return said.length === 0 && this.link === null ? [{ verdict: "DROP" }] : said;
  }

  async messageStep(step) {
    const wall = WALL + step.at;
    const data = fromHex(step.bytes ?? "");
    if (step.do === "info") {
      this.info = data;
      return this.attempt.read(data, wall);
    }
    if (step.do === "message") return this.attempt.receive(data, wall);
    if (step.do === "seal verdict") return this.attempt.receive(await this.seal(step), wall);
    if (step.do === "silence") return this.attempt.silence();
    if (step.do === "lost") return this.attempt.lost();
    throw new Error(`no step ${step.do}`);
  }

  async linkStep(step) {
    const { link } = this;
    const now = step.at;
    const wall = WALL + step.at;
    const data = fromHex(step.bytes ?? "");
    if (step.do === "info") {
      this.info = data;
      return link.info(data, now, wall);
    }
    if (step.do === "written") return link.written(now);
    if (step.do === "notified") return link.notified(data, now, wall);
    if (step.do === "TXR") return link.pulled(data, now, wall);
    if (step.do === "lost") return link.lost();
    if (step.do === "quiet") {
      check(link.due === null || link.due > now + INSTANT, `something is due at ${link.due}`);
      return [];
    }
    check(step.do === "time", `no step ${step.do}`);
    check(link.due !== null && link.due < now + INSTANT, `nothing is due before ${link.due}`);
    return link.passed(Math.max(now, link.due));
  }

  /** Answer the open just sent, whose bytes no file can know, as the hub would. */
  async seal(step) {
    const { aead, secret } = this.opened;
    const keys = await sealing.sessionKeys({
      secret,
      transport: this.given.transport,
      challenge: this.info,
      message: this.sent,
      aead,
      hub: step.hub,
    });
    const iv = fromHex(step.iv);
    const ciphertext = await cose.seal(aead, keys.toPhone, iv, fromHex(step.plaintext));
    const recipient = [cose.DIRECT, new Map(), bytes.EMPTY];
    return cbor.encode([2, [cose.aeadHeader(aead), new Map([[5, iv]]), ciphertext, [recipient]]]);
  }

  async describe(effect) {
    if (effect.do === "write") return { writes: toHex(effect.frame) };
    if (effect.do === "read TXR") return { "reads TXR": true };
    if (effect.do === "leave") return { leaves: true };
    if (effect.do === "read INFO") {
      return { "reads INFO after": Math.round(effect.afterSeconds * 1000) / 1000 };
    }
    if (effect.do === "send") return this.sends(effect.message);
    if (effect.do === "gave up") {
      check(effect.unknown === (this.sent !== null), "what is unknown depends on what was sent");
      return { verdict: this.sent === null ? "ABORT" : "UNKNOWN" };
    }
    if (effect.do === "decided") {
      const { allowed, reason } = effect.verdict;
      return { verdict: allowed ? "ACCEPT" : `SEALED ${reason}` };
    }
    check(effect.do === "moved", `no effect ${effect.do}`);
    return { verdict: "STATE", seq: effect.state.seq, door: effect.state.door };
  }

  async sends(message) {
    const [number, content] = cbor.decode(message);
    if (number !== 1) this.sent = message;
    if (number !== 2) return { sends: toHex(message) };
    const [protectedHeader, unprotected, ciphertext, [[, recipient, encrypted]]] = content;
    const aead = cose.AEADS.find((one) => bytes.equal(cose.aeadHeader(one), protectedHeader));
    const epoch = recipient.get(4);
    const iv = unprotected.get(5);
    const { epochCertificate } = this.wallet.epochs.get(toHex(epoch));
    const bound = await sealing.binding(this.given.transport, this.info, epochCertificate, aead);
    const key = await unwrap(this.given.epoch_private_key, encrypted);
    const signed = cbor.decode(await cose.unseal(aead, key, iv, ciphertext, bound));
    const [header, none, payload, signature] = signed;
    check(none.size === 0, "the unprotected header is empty");
    await cose.verify1(this.verifies, header, payload, signature, bound);
    this.opened = { aead, secret: cbor.decode(payload).get(5) };
    return {
      sends: "open",
      bytes_long: message.length,
      aead,
      epoch: toHex(epoch),
      content_key: toHex(key),
      iv: toHex(iv),
      protected: toHex(header),
      payload: toHex(payload),
    };
  }

  /** Say what the wallet holds; a ticket's secret only where a file can know it. */
  after() {
    const tickets = Array.from(this.wallet.tickets, ([kid, ticket]) => ({
      hub_kid: kid,
      hub: ticket.hub,
      id: toHex(ticket.id),
      expires: ticket.expires,
      access_points: ticket.accessPoints,
      hub_expires: ticket.hubExpires,
      ...(this.attempt.isShort ? { secret: toHex(ticket.secret) } : {}),
    }));
    const epochs = Array.from(this.wallet.epochs.keys());
    const points = Array.from(this.wallet.fullPathAt).sort((a, b) => a - b);
    return { tickets, epochs, full_path_at: points };
  }
}

async function unwrap(pem, encrypted) {
  const how = { name: "RSA-OAEP", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("pkcs8", der(pem), how, false, ["decrypt"]);
  return new Uint8Array(await crypto.subtle.decrypt(how, key, encrypted));
}

/** Lead a phone through a file; return what it gave at each step, and what its wallet holds. */
export async function runPhone(file) {
  const run = await PhoneRun.of(file);
  const gives = [];
  for (const step of file.steps) gives.push(await run.step(step));
  return { gives, after: run.after(), left: run.chance.drawn.length - run.chance.at };
}

function session(answer) {
  const { transport, aead, hub } = answer;
  const [secret, challenge, message] = ["secret", "challenge", "message"].map((name) =>
    fromHex(answer[name] ?? ""),
  );
  return { secret, transport, challenge, message, aead, hub };
}

/** Decode a plaintext that was made of the answer's values: what was read must be those. */
function readsAs(plaintext, decode, expected) {
  const read = decode(plaintext);
  for (const [name, value] of Object.entries(expected)) {
    check(toHex(cbor.encode(read[name])) === toHex(cbor.encode(value)), `${name} was misread`);
  }
  return toHex(plaintext);
}

function verdict(answer) {
  const { allowed, reason, door, time } = answer;
  const op = fromHex(answer.op);
  const ticket = answer.ticket && [fromHex(answer.ticket.id), answer.ticket.expires];
  const told = [[2, op], [3, allowed ? 1 : 0], [4, reason], [5, door], [6, time], [7, ticket]];
  const plaintext = plaintexts.padTo(new Map([[1, 0], ...told]), 8, 80);
  check(plaintexts.decodeVerdict(plaintext).allowed === allowed, "allowed was misread");
  return readsAs(plaintext, plaintexts.decodeVerdict, { op, reason, door, time });
}

function state(answer) {
  const { seq, door, time, access_point: accessPoint } = answer;
  const op = fromHex(answer.op);
  const told = [[1, seq], [2, op], [3, accessPoint], [5, door], [6, time]];
  const plaintext = plaintexts.padTo(new Map(told), 8, 56);
  return readsAs(plaintext, plaintexts.decodeState, { seq, op, accessPoint, door, time });
}

function challenge(answer) {
  const parts = ["sid", "nonce", "hub", "epoch"].map((name) => fromHex(answer[name]));
  const info = cbor.encode([1, ...parts]);
  const read = attempts.challengeOf(info);
  check(bytes.equal(read.hub, parts[2]) && bytes.equal(read.epoch, parts[3]), "misread");
  return toHex(info);
}

function frames(answer) {
  const outbound = new framing.Outbound(fromHex(answer.sid));
  const size = Math.min(answer.mtu - 3, framing.LARGEST_FRAME);
  return outbound.cut(fromHex(answer.message), size).map(toHex);
}

function resume(answer) {
  const { access_point: accessPoint, action } = answer;
  return toHex(plaintexts.encodeResumeRequest({ op: fromHex(answer.op), accessPoint, action }));
}

const ANSWERS = new Map([
  ["p2h", async (answer) => toHex(await sealing.resumeKey(session(answer)))],
  ["h2p", async (answer) => toHex((await sealing.sessionKeys(session(answer))).toPhone)],
  ["ticket", async (answer) => toHex((await sealing.sessionKeys(session(answer))).ratchet)],
  ["thumbprint", async ({ key }) => toHex(await cose.thumbprint(cbor.decode(fromHex(key))))],
  ["resume plaintext", resume],
  ["verdict plaintext", verdict],
  ["state plaintext", state],
  ["challenge", challenge],
  ["frames", frames],
]);

/** Return what the phone computes for each known answer of a file. */
export function runKnown(file) {
  return Promise.all(file.answers.map((answer) => ANSWERS.get(answer.of)(answer)));
}
