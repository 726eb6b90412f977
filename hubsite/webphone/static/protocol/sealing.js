/**
 * Binding and keys: what every seal and signature covers, and with which key it is made
 * (docs/protocol.md, "Binding and keys").
 *
 * Laws:
 * 1. Everything is bound to the protocol, the transport, this link's challenge, the hub and the
 *    epoch certificate. Nothing fits elsewhere.
 * 2. Each direction and purpose has a key of its own.
 * 3. Inside the seal every failure is one ProofError.
 */

import { encode } from "./cbor.js";
import { EMPTY } from "./bytes.js";
import { DIRECT_HKDF_SHA256, derive, keyBytes, seal, sha256, unseal } from "./cose.js";
import { FrameError, ProofError } from "./errors.js";
import { SECRET_BYTES, encodeResume } from "./messages.js";
import { decodeState, decodeVerdict, encodeResumeRequest } from "./plaintexts.js";

export const BLE_GATT = "ble-gatt";

const PROTOCOL = "hub/1";

/** Return the external AAD of an open, and of the request in it. */
export async function binding(transport, challenge, epochCertificate, aead) {
  return encode([PROTOCOL, transport, challenge, await sha256(epochCertificate), aead]);
}

function transcript(transport, challenge, message) {
  return sha256(encode([PROTOCOL, transport, challenge, message]));
}

/**
 * Derive the keys of what follows a phone's complete `message`: `{aead, toPhone, ratchet}`.
 *
 * `secret` is the one that the message carried, or its ticket's. The ratchet becomes the secret of
 * a ticket, if the hub issues one.
 */
export async function sessionKeys({ secret, transport, challenge, message, aead, hub }) {
  const salt = await transcript(transport, challenge, message);
  const size = keyBytes(aead);
  const toPhone = await derive({ secret, salt, size, alg: aead, hub, label: "h2p" });
  const next = { size: SECRET_BYTES, alg: DIRECT_HKDF_SHA256, label: "ticket" };
  const ratchet = await derive({ secret, salt, hub, ...next });
  return { aead, toPhone, ratchet };
}

/** Derive the key that seals a resume, phone to hub. */
export async function resumeKey({ secret, transport, challenge, aead, hub }) {
  const salt = await transcript(transport, challenge, EMPTY);
  return derive({ secret, salt, size: keyBytes(aead), alg: aead, hub, label: "p2h" });
}

/** Return the whole resume; `request` is `{op, accessPoint, action}`. */
export async function sealResume({ request, key, aead, iv, ticket }) {
  const ciphertext = await seal(aead, key, iv, encodeResumeRequest(request));
  return encodeResume({ aead, iv, ciphertext, ticket });
}

/** Unseal a verdict. Raise ProofError: it is of another session, or not from this hub. */
export function openVerdict(message, keys) {
  return open(message, keys, decodeVerdict);
}

/** Unseal a door state. Raise ProofError. */
export function openState(message, keys) {
  return open(message, keys, decodeState);
}

async function open(message, keys, decode) {
  if (message.aead !== keys.aead) throw new ProofError("seal: another AEAD than the session's");
  const plaintext = await unseal(message.aead, keys.toPhone, message.iv, message.ciphertext);
  try {
    return decode(plaintext);
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    throw new ProofError(`inside the seal: ${error.message}`, { cause: error });
  }
}
