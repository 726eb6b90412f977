// A small backend behind hubgateway, in JavaScript and without any library: docs/backend.md is all that it goes by.
// messages.js beside it reads and writes the messages.
//
//   node backend.js HOST:PORT enrol|revoke HUB KEY      (a Curve public key, 64 hexadecimal digits)
//   node backend.js HOST:PORT release HUB ACCESS-POINT BY [SECONDS]
//   node backend.js HOST:PORT policy VERSION FILE
//   node backend.js HOST:PORT records HUB               prints each record's number and hash, once its chain is verified
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const net = require("node:net");
const { SIDES, decode, encode, read } = require("./messages.js");

const FROM_HUB = SIDES["uplink hub"];

// NATS, as much of its text protocol as a backend needs.
class Nats {
  constructor(address) {
    const [host, port] = address.split(":");
    this.waiting = new Map();
    this.buffer = Buffer.alloc(0);
    this.inbox = `_INBOX.${crypto.randomBytes(8).toString("hex")}`;
    this.socket = net.connect(Number(port), host);
    this.socket.on("data", (data) => this.read(Buffer.concat([this.buffer, data])));
    this.socket.write('CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n');
    this.listen(`${this.inbox}.*`, (message) => this.waiting.get(message.subject)?.(message.data));
  }
  listen(subject, heard) {
    this.heard ??= [];
    this.heard.push(heard);
    this.socket.write(`SUB ${subject} ${this.heard.length}\r\n`);
  }
  read(data) {
    for (;;) {
      const end = data.indexOf("\r\n");
      if (end < 0) break;
      const words = data.subarray(0, end).toString().split(" ");
      if (words[0] === "PING") this.socket.write("PONG\r\n");
      if (words[0] === "-ERR") throw new Error(words.join(" "));
      let rest = end + 2;
      if (words[0] === "MSG" || words[0] === "HMSG") {
        const size = Number(words.at(-1));
        if (data.length < rest + size + 2) break;
        const skipped = words[0] === "HMSG" ? Number(words.at(-2)) : 0;
        const body = data.subarray(rest + skipped, rest + size);
        this.heard[Number(words[2]) - 1]({ subject: words[1], data: body });
        rest += size + 2;
      }
      data = data.subarray(rest);
    }
    this.buffer = data;
  }
  // Publish and wait for the engine's answer.
  ask(subject, data) {
    const reply = `${this.inbox}.${this.waiting.size}`;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no answer on ${subject}`)), 20_000);
      this.waiting.set(reply, (answer) => {
        clearTimeout(late);
        resolve(answer.length ? JSON.parse(answer) : { error: { description: "nobody is there" } });
      });
      this.socket.write(Buffer.concat([Buffer.from(`PUB ${subject} ${reply} ${data.length}\r\n`), data, Buffer.from("\r\n")]));
    });
  }
  async put(bucket, key, value) {
    const answer = await this.ask(`$KV.${bucket}.${key}`, Buffer.from(value));
    if (answer.error) throw new Error(answer.error.description);
  }
}

async function release(nats, hub, accessPoint, by, seconds = "10") {
  const id = crypto.randomBytes(16);
  const expires = Math.ceil(Date.now() / 1000) + Number(seconds);
  const answered = new Promise((resolve) => {
    nats.listen(`hub.results.${hub}`, (message) => {
      const { name, array } = read(FROM_HUB, message.data);
      if (name === "Result" && id.equals(array[1])) resolve(array);
    });
  });
  await nats.ask(`hub.commands.${hub}`, encode([18, id, Number(accessPoint), expires, null, by]));
  const [, , outcome, detail] = await answered;
  console.log(["released", "late", "refused", "failed", "busy"][outcome], detail);
}

async function records(nats, hub) {
  let before = Buffer.alloc(32);
  let number = 0;
  for (let place = 1; ; place++) {
    const wanted = JSON.stringify({ seq: place, next_by_subj: `hub.records.${hub}` });
    const answer = await nats.ask("$JS.API.STREAM.MSG.GET.HUB_RECORDS", Buffer.from(wanted));
    if (answer.error) break;
    place = answer.message.seq;
    for (const frame of decode(Buffer.from(answer.message.data, "base64"))) {
      const { name, array } = read(FROM_HUB, frame);
      const [, found, body, hash] = array;
      if (name !== "Evidence" || found !== number + 1) throw new Error(`record ${number + 1} is missing`);
      if (!chainHash(before, found, body).equals(hash)) throw new Error(`record ${found} does not follow`);
      console.log(found, hash.toString("hex"));
      before = hash;
      number = found;
    }
  }
}

// The hash of record n covers a label, n, the hash of n-1 and the record's bytes.
function chainHash(before, number, body) {
  const covered = encode(["hub/record/1", number, before, body]);
  return crypto.createHash("sha256").update(covered).digest();
}

async function main([address, what, ...rest]) {
  const nats = new Nats(address);
  if (what === "enrol") await nats.put("hub_keys", rest[1], `enrolled ${rest[0]}`);
  if (what === "revoke") await nats.put("hub_keys", rest[1], `revoked ${rest[0]}`);
  if (what === "policy") await nats.put("hub_policy", `root.${rest[0]}`, fs.readFileSync(rest[1]));
  if (what === "release") await release(nats, ...rest);
  if (what === "records") await records(nats, rest[0]);
  nats.socket.end();
}
main(process.argv.slice(2)).catch((error) => {
  console.error(`backend: ${error.message}`);
  process.exit(1);
});
