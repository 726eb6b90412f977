/**
 * A passkey that wraps this phone's key: without the person, nothing in the browser's files signs.
 *
 * It stands on WebAuthn's PRF extension (W3C Web Authentication Level 3, 10.1.4): the authenticator
 * makes 32 bytes of a salt, the same each time, and only for a person that it has verified.
 *
 * Laws:
 * 1. The bytes are asked for anew at each use, and are kept nowhere.
 * 2. A passkey without PRF is no passkey for this: NoPasskey, and nothing has changed.
 * 3. What a server is told of an answer has no byte of them in it.
 */

import { toBase64url } from "../protocol/bytes.js";

const SALT_BYTES = 32;
const CHALLENGE_BYTES = 32;
const USER_BYTES = 16;
const NAME = "Doors";
const ES256 = -7;
const RS256 = -257;
const OF_MADE = ["clientDataJSON", "attestationObject"];
const OF_SIGNED = ["clientDataJSON", "authenticatorData", "signature", "userHandle"];

/** The passkey was not made, not there, or did not verify the person. */
export class NoPasskey extends Error {
  name = "NoPasskey";
}

function random(size) {
  return crypto.getRandomValues(new Uint8Array(size));
}

/** Tell whether this browser knows passkeys at all. */
export function hasPasskeys() {
  return window.PublicKeyCredential !== undefined;
}

/** Tell whether this browser takes what a server asks of a passkey. */
export function takesAsked() {
  const { parseCreationOptionsFromJSON, parseRequestOptionsFromJSON } =
    window.PublicKeyCredential ?? {};
  return parseCreationOptionsFromJSON !== undefined && parseRequestOptionsFromJSON !== undefined;
}

/** Make a passkey; return `{id, salt}`, which are no secrets. Needs a touch. Raise NoPasskey. */
export async function makePasskey() {
  const kinds = [ES256, RS256].map((alg) => ({ type: "public-key", alg }));
  const made = await create({
    rp: { name: NAME },
    user: { id: random(USER_BYTES), name: NAME, displayName: NAME },
    challenge: random(CHALLENGE_BYTES),
    pubKeyCredParams: kinds,
    authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
  });
  return { id: new Uint8Array(made.rawId), salt: random(SALT_BYTES) };
}

/** Make a passkey as a server asks; return what to tell it. Needs a touch. Raise NoPasskey. */
export async function makeAsked(json) {
  return toldOf(await create(PublicKeyCredential.parseCreationOptionsFromJSON(json)), OF_MADE);
}

/** Ask the person; return the key that wraps, of what the passkey makes. Raise NoPasskey. */
export async function wrappingKey({ id, salt }) {
  const got = await get(
    {
      challenge: random(CHALLENGE_BYTES),
      allowCredentials: [{ type: "public-key", id }],
      userVerification: "required",
    },
    salt,
  );
  return wrapsOf(got);
}

/**
 * Ask the person to sign what a server asks: `{passkey, wraps, told}`, where `passkey` is `{id,
 * salt}` with a new salt, and `told` is for the server. Raise NoPasskey.
 */
export async function signAsked(json) {
  const salt = random(SALT_BYTES);
  const got = await get(PublicKeyCredential.parseRequestOptionsFromJSON(json), salt);
  const passkey = { id: new Uint8Array(got.rawId), salt };
  return { passkey, wraps: await wrapsOf(got), told: toldOf(got, OF_SIGNED) };
}

async function create(publicKey) {
  const how = { publicKey: { ...publicKey, extensions: { prf: {} } } };
  const made = await asked(() => navigator.credentials.create(how));
  if (made.getClientExtensionResults().prf?.enabled !== true) {
    throw new NoPasskey("it has no PRF");
  }
  return made;
}

function get(publicKey, salt) {
  const how = { publicKey: { ...publicKey, extensions: { prf: { eval: { first: salt } } } } };
  return asked(() => navigator.credentials.get(how));
}

async function wrapsOf(got) {
  const secret = got.getClientExtensionResults().prf?.results?.first;
  if (secret === undefined) throw new NoPasskey("it gave no PRF");
  const from = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
  const info = new TextEncoder().encode("hub-phone signing key");
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info };
  const aes = { name: "AES-GCM", length: 256 };
  return crypto.subtle.deriveKey(how, from, aes, false, ["wrapKey", "unwrapKey"]);
}

/** Return parts of an answer for a server (law 3): `toJSON` would say the bytes, too. */
function toldOf({ id, type, response }, parts) {
  const there = parts.filter((part) => response[part] !== null);
  const said = there.map((part) => [part, toBase64url(new Uint8Array(response[part]))]);
  return { id, rawId: id, type, response: Object.fromEntries(said), clientExtensionResults: {} };
}

async function asked(ask) {
  try {
    return await ask();
  } catch (error) {
    throw new NoPasskey(error.message, { cause: error });
  }
}
