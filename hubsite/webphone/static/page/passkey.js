/**
 * A passkey that wraps this phone's key: without the person, the browser's files are worth nothing.
 *
 * It stands on WebAuthn's PRF extension (W3C Web Authentication Level 3, 10.1.4): the authenticator
 * makes 32 bytes of a salt, the same each time, and only for a person that it has verified.
 *
 * Laws:
 * 1. The bytes are asked for anew at each use, and are kept nowhere.
 * 2. A passkey without PRF is no passkey for this: NoPasskey, and nothing has changed.
 */

const SALT_BYTES = 32;
const CHALLENGE_BYTES = 32;
const USER_BYTES = 16;
const NAME = "Doors";
const ES256 = -7;
const RS256 = -257;

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

/** Make a passkey; return `{id, salt}`, which are no secrets. Needs a touch. Raise NoPasskey. */
export async function makePasskey() {
  const kinds = [ES256, RS256].map((alg) => ({ type: "public-key", alg }));
  const made = await asked(() =>
    navigator.credentials.create({
      publicKey: {
        rp: { name: NAME },
        user: { id: random(USER_BYTES), name: NAME, displayName: NAME },
        challenge: random(CHALLENGE_BYTES),
        pubKeyCredParams: kinds,
        authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
        extensions: { prf: {} },
      },
    }),
  );
  if (made.getClientExtensionResults().prf?.enabled !== true) {
    throw new NoPasskey("it has no PRF");
  }
  return { id: new Uint8Array(made.rawId), salt: random(SALT_BYTES) };
}

/** Ask the person; return the key that wraps, of what the passkey makes. Raise NoPasskey. */
export async function wrappingKey({ id, salt }) {
  const got = await asked(() =>
    navigator.credentials.get({
      publicKey: {
        challenge: random(CHALLENGE_BYTES),
        allowCredentials: [{ type: "public-key", id }],
        userVerification: "required",
        extensions: { prf: { eval: { first: salt } } },
      },
    }),
  );
  const secret = got.getClientExtensionResults().prf?.results?.first;
  if (secret === undefined) throw new NoPasskey("it gave no PRF");
  const from = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
  const info = new TextEncoder().encode("hub-phone signing key");
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info };
  const aes = { name: "AES-GCM", length: 256 };
  return crypto.subtle.deriveKey(how, from, aes, false, ["wrapKey", "unwrapKey"]);
}

async function asked(ask) {
  try {
    return await ask();
  } catch (error) {
    throw new NoPasskey(error.message, { cause: error });
  }
}
