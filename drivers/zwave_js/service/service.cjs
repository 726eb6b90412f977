// The Z-Wave service of a hub: zwave-js behind a Unix socket, and the guard of the locks that hubd unlocks.
//
// Laws:
// 1. It listens on one Unix socket, which its owner and its group may use, and on no network.
// 2. The keys of the network come from a file. They stand in no argument, no environment and no log.
// 3. A value changes when its node reports it: optimistic updates are off.
// 4. When a connection ends, each lock that was unlocked over it and has not reported since that it moved both ways is
//    locked, again and again until it reports that. What it reported before the unlock says nothing.
// 5. What only warns or fails is logged. A line with a value of a node could name the user of a lock.
// 6. It ends with status 1 when it cannot begin, or when the stick has failed for good. systemd starts it again. While the
//    stick cannot be opened, the file `fault` beside the socket says so.
// 7. When the last connection has ended, the stick takes nothing in or out any more.
//
// It takes its settings from the environment, see `settings`.
"use strict";

const { chmodSync, readFileSync, rmSync, writeFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { dirname, join } = require("node:path");

const DOOR_LOCK = 98;
const UNSECURED = 0;
const SECURED = 255;
const LOCK_TRIES = 8;
const FIRST_PAUSE_MS = 1000;
const END_MS = 6000;
const KEY = /^[0-9a-fA-F]{32}$/;
const KEY_NAMES = ["S0_Legacy", "S2_Unauthenticated", "S2_Authenticated", "S2_AccessControl"];

class SettingsError extends Error {}

/** What the environment says. */
function settings(environment) {
  const wanted = (name) => {
    const value = environment[name];
    if (!value) throw new SettingsError(`${name} is not set`);
    return value;
  };
  return {
    stick: wanted("HUBD_ZWAVE_STICK"),
    socket: wanted("HUBD_ZWAVE_SOCKET"),
    cache: wanted("HUBD_ZWAVE_CACHE"),
    keys: readKeys(wanted("HUBD_ZWAVE_KEYS")),
    modules: environment.HUBD_ZWAVE_MODULES ?? join(__dirname, "node_modules"),
    // Only a simulated network asks for less: its stick cannot be reset.
    softReset: environment.HUBD_ZWAVE_SOFT_RESET !== "no",
  };
}

/** The four keys of the network. No sentence holds any part of what the file has. */
function readKeys(file) {
  let found;
  try {
    found = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const why = error instanceof SyntaxError ? "it is no JSON" : error.message;
    throw new SettingsError(`the keys of the network cannot be read: ${why}`);
  }
  const keys = {};
  for (const name of KEY_NAMES) {
    if (!KEY.test(found?.[name] ?? "")) {
      throw new SettingsError(`${file}: ${name}: expected 32 hexadecimal digits`);
    }
    keys[name] = Buffer.from(found[name], "hex");
  }
  if (new Set(KEY_NAMES.map((name) => found[name].toLowerCase())).size !== KEY_NAMES.length) {
    throw new SettingsError(`${file}: expected four different keys`);
  }
  return keys;
}

/** Where it says that the stick cannot be opened. */
function faultFile(socket) {
  return join(dirname(socket), "fault");
}

function say(sentence) {
  console.error(`hubd-zwave: ${sentence}`);
}

/** The locks that were unlocked over one connection (law 4). */
class Guard {
  constructor(driver, isAlone) {
    this.driver = driver;
    this.isAlone = isAlone;
    this.unlocked = new Map();
  }

  /** A lock that was unlocked: what it has reported since, and whether it was told to lock again. */
  note(nodeId, endpoint) {
    const key = `${nodeId}/${endpoint}`;
    const known = this.unlocked.get(key) ?? { nodeId, endpoint, told: false };
    this.unlocked.set(key, Object.assign(known, { opened: false, locked: false }));
    if (known.listener) return;
    known.node = this.driver.controller.nodes.get(nodeId);
    known.listener = (_node, { commandClass, endpoint: at, property, newValue }) => {
      if (commandClass !== DOOR_LOCK || (at ?? 0) !== endpoint || property !== "currentMode") return;
      if (newValue !== SECURED) Object.assign(known, { opened: true, locked: false });
      else if (known.opened || known.told) known.locked = true;
    };
    known.node.on("value updated", known.listener);
  }

  /** Note an unlock among the messages of a client; anything else is the server's to judge. */
  heard(data) {
    const text = data.toString();
    if (!text.includes('"targetMode"')) return;
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    const value = message?.valueId;
    if (message?.command !== "node.set_value" || value?.commandClass !== DOOR_LOCK) return;
    if (message.value !== UNSECURED || !this.driver.controller.nodes.has(message.nodeId)) return;
    const endpoint = Number.isInteger(value.endpoint) ? value.endpoint : 0;
    this.note(message.nodeId, endpoint);
  }

  /** The connection has ended: lock, and try again for a while, until hubd is back: then it looks after them. */
  async closed() {
    await Promise.all([...this.unlocked.values()].map((known) => this.lock(known)));
    for (const { node, listener } of this.unlocked.values()) node.off("value updated", listener);
  }

  async lock(known) {
    const { nodeId, endpoint } = known;
    for (let tried = 0; tried < LOCK_TRIES && (tried === 0 || this.isAlone()); tried += 1) {
      const node = this.driver.controller.nodes.get(nodeId);
      if (!node || known.locked) return;
      if (tried === 0) say(`hubd has gone: locking node ${nodeId}`);
      known.told = true;
      try {
        await node.setValue({ commandClass: DOOR_LOCK, endpoint, property: "targetMode" }, SECURED);
      } catch (error) {
        say(`node ${nodeId} cannot be locked: ${error.message}`);
      }
      await new Promise((resolve) => setTimeout(resolve, FIRST_PAUSE_MS * 2 ** tried));
    }
  }
}

/** Have the stick take nothing in or out any more (law 7). */
async function stopTaking(controller) {
  for (const stop of ["stopInclusion", "stopExclusion"]) {
    try {
      await controller[stop]();
    } catch (error) {
      say(`${stop}: ${error.message}`);
    }
  }
}

/** Join the driver with the server, once the stick answers. */
async function listen(server, driver, socket, atWork) {
  rmSync(socket, { force: true });
  await server.start(true);
  rmSync(faultFile(socket), { force: true });
  chmodSync(socket, 0o660);
  let connections = 0;
  server.wsServer.on("connection", (client) => {
    connections += 1;
    const guard = new Guard(driver, () => connections === 0);
    client.on("message", (data) => guard.heard(data));
    client.on("close", () => {
      connections -= 1;
      if (connections === 0) void stopTaking(driver.controller);
      const locking = guard.closed().finally(() => atWork.delete(locking));
      atWork.add(locking);
    });
  });
}

async function main() {
  const wanted = settings(process.env);
  const ours = createRequire(join(wanted.modules, "hubd-zwave.cjs"));
  const { Driver, ZWaveError, ZWaveErrorCodes } = ours("zwave-js");
  const { ZwavejsServer } = ours("@zwave-js/server");
  const driver = new Driver(wanted.stick, {
    securityKeys: wanted.keys,
    storage: { cacheDir: wanted.cache },
    disableOptimisticValueUpdate: true,
    emitValueUpdateAfterSetValue: false,
    interview: { queryAllUserCodes: false },
    logConfig: { enabled: true, level: "warn", forceConsole: true, showLogo: false },
    features: { softReset: wanted.softReset },
  });
  const quiet = { debug() {}, info() {}, warn: say, error: (error) => say(String(error)) };
  const server = new ZwavejsServer(driver, { port: wanted.socket, logger: quiet });
  const atWork = new Set(); // what guards do just now
  let ending = false;
  const end = async (status) => {
    if (ending) return;
    ending = true;
    setTimeout(() => process.exit(status), END_MS).unref();
    if (server.server) await server.destroy();
    await new Promise(setImmediate); // the last connections' guards begin
    await Promise.allSettled(atWork);
    await driver.destroy();
    process.exit(status);
  };
  process.on("SIGTERM", () => void end(0));
  process.on("SIGINT", () => void end(0));
  driver.on("error", (error) => {
    say(String(error));
    if (error instanceof ZWaveError && error.code === ZWaveErrorCodes.Driver_Failed) {
      writeFileSync(faultFile(wanted.socket), "stick\n", { mode: 0o640 });
      void end(1);
    }
  });
  driver.once("driver ready", () => {
    listen(server, driver, wanted.socket, atWork).catch((error) => {
      say(String(error));
      void end(1);
    });
  });
  try {
    await driver.start();
  } catch (error) {
    writeFileSync(faultFile(wanted.socket), "stick\n", { mode: 0o640 });
    throw error;
  }
}

main().catch((error) => {
  say(error instanceof SettingsError ? error.message : String(error));
  process.exit(1);
});
