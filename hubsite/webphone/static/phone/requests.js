/**
 * A phone's requests: sealed to the hub's epoch key (full path), or by a ticket (short path).
 *
 * Laws:
 * 1. The secret, the content key and the IV are drawn fresh, in this order.
 * 2. The padding is inside the signature, so that nobody can put bytes of their own there.
 */

import { encode } from "../protocol/cbor.js";
import { IV_BYTES, keyBytes, seal, sign1, signatureBytes, wrapKey } from "../protocol/cose.js";
import { REQUEST, header } from "../protocol/documents.js";
import { SECRET_BYTES, encodeOpen } from "../protocol/messages.js";
import { encodeRequest } from "../protocol/plaintexts.js";
import { binding, resumeKey, sealResume } from "../protocol/sealing.js";
import { chooseAead } from "./trust.js";

/**
 * Make a request to a hub whose certificates the phone trusts.
 *
 * Return `{message, secret, aead, certified}`: `certified` is what a ticket keeps of the hub.
 */
export async function byFullPath({ wallet, known, wish, transport, challenge, chance }) {
  const aead = chooseAead(wallet, known.epoch);
  const secret = chance(SECRET_BYTES);
  const bound = await binding(transport, challenge, known.epochCertificate, aead);
  const request = { ...wish, grant: wallet.grant, secret };
  const plaintext = await signedRequest(request, wallet.signer, bound);
  const contentKey = chance(keyBytes(aead));
  const iv = chance(IV_BYTES);
  const message = encodeOpen({
    aead,
    iv,
    ciphertext: await seal(aead, contentKey, iv, plaintext, bound),
    epoch: known.epoch.kid,
    encryptedKey: await wrapKey(known.epoch.key, contentKey),
  });
  const { hub, accessPoints, expires } = known.hub;
  return { message, secret, aead, certified: { hub, accessPoints, hubExpires: expires } };
}

/** Return the COSE_Sign1 inside an open, its size padded to a multiple of 256 bytes. */
async function signedRequest(request, signer, bound) {
  const protectedHeader = header(signer.alg, REQUEST);
  const signature = new Uint8Array(signatureBytes(signer.alg, signer.modulusBytes));
  const around = encode([protectedHeader, new Map(), new Uint8Array(0), signature]).length - 1;
  const sizeAround = (bytes) => around + encode(new Uint8Array(bytes)).length;
  const payload = encodeRequest(request, sizeAround);
  const signed = await sign1(signer, protectedHeader, payload, bound);
  return encode([protectedHeader, new Map(), payload, signed]);
}

/** Make a request to the hub that gave this ticket; returns the same as `byFullPath`. */
export async function byTicket({ ticket, wish, transport, challenge, chance }) {
  const { secret, aead, hub, accessPoints, hubExpires } = ticket;
  const key = await resumeKey({ secret, transport, challenge, aead, hub });
  const iv = chance(IV_BYTES);
  const message = await sealResume({ request: wish, key, aead, iv, ticket: ticket.id });
  return { message, secret, aead, certified: { hub, accessPoints, hubExpires } };
}
