/**
 * The certificates that a phone checks, the hub's and its epoch's, and the grant that it holds.
 *
 * docs/protocol.md, "Order of checks in the phone", 1 and 2.
 *
 * Laws:
 * 1. In a hub certificate the issuer says: this key is this hub's, for these access points.
 * 2. In an epoch certificate the hub says: this RSA key may seal requests to it, with these AEADs,
 *    for at most two hours.
 * 3. In a grant the issuer says: the holder of this key may go in here.
 * 4. Each reader proves the whole document or raises ProofError.
 */

import { hasExactly, isUint } from "./cbor.js";
import { equal, isBytes } from "./bytes.js";
import { AEADS, ES256, RSAES_OAEP_SHA256, epochKey, keyId, readKey } from "./cose.js";
import * as documents from "./documents.js";
import { ProofError } from "./errors.js";

const { AUD, CNF, CTI, EXP, ISS, NBF, SCOPE, SUB } = documents;
const OFFERED = -65537; // the AEADs of an epoch
const USES = -65550; // how often a hub lets the holder of a grant in
const EPOCH_SECONDS_MAX = 7200n;
const GRANT_ID_BYTES = [8, 16];
const ENTRIES_MAX = 32;

/**
 * Verify and read: `{site, hub, notBefore, expires, key, accessPoints}`.
 *
 * `issuer` is the site's key.
 */
export async function readHubCertificate(data, issuer) {
  const claims = await documents.readDocument(documents.HUB, data, {
    key: issuer,
    kid: issuer.kid,
    members: [ISS, SUB, AUD, EXP, NBF, CNF, SCOPE],
  });
  const site = documents.siteOf(claims);
  const times = documents.timesOf(claims);
  const accessPoints = risingPoints(documents.scopeOf(claims));
  const key = await readKey(documents.confirmedKey(claims));
  if (key.alg !== ES256) throw new ProofError("hub certificate: a hub's key is an ES256 key");
  const hub = documents.nameOf(claims.get(SUB), "hub");
  return { site, hub, ...times, key, accessPoints };
}

function risingPoints(points) {
  const rises = points.every((point, at) => at === 0 || points[at - 1] < point);
  if (!points.every(documents.isPoint) || !rises) {
    throw new ProofError("hub certificate: its scope is no rising list of access points");
  }
  return points;
}

/**
 * Verify with the hub's certified key and read: `{hub, site, notBefore, expires, kid, key, aeads}`.
 *
 * The modulus has one of `sizes` bytes.
 */
export async function readEpochCertificate(data, hub, sizes) {
  const claims = await documents.readDocument(documents.EPOCH, data, {
    key: hub.key,
    kid: null,
    members: [ISS, AUD, EXP, NBF, CNF, OFFERED],
  });
  const times = documents.timesOf(claims);
  const cose = documents.confirmedKey(claims);
  if (claims.get(ISS) !== hub.hub || claims.get(AUD) !== hub.site) {
    throw new ProofError("epoch certificate: of another hub or site");
  }
  if (BigInt(times.expires) - BigInt(times.notBefore) > EPOCH_SECONDS_MAX) {
    throw new ProofError("epoch certificate: valid for longer than two hours");
  }
  const key = await readEpochKey(cose, sizes);
  const aeads = offered(claims.get(OFFERED));
  return { hub: hub.hub, site: hub.site, ...times, kid: cose.get(2), key, aeads };
}

async function readEpochKey(cose, sizes) {
  if (!hasExactly(cose, [1, 2, 3, -1, -2]) || cose.get(1) !== 3) {
    throw new ProofError("epoch certificate: no RSA encryption key");
  }
  if (cose.get(3) !== RSAES_OAEP_SHA256 || !equal(cose.get(2), await keyId(cose))) {
    throw new ProofError("epoch certificate: key of another use, or its id is not its thumbprint");
  }
  return epochKey(cose.get(-1), cose.get(-2), sizes);
}

function offered(aeads) {
  const isList = Array.isArray(aeads) && aeads.length > 0;
  if (!isList || !aeads.every((aead) => AEADS.includes(aead))) {
    throw new ProofError("epoch certificate: its AEADs are not of the three");
  }
  if (new Set(aeads).size !== aeads.length) {
    throw new ProofError("epoch certificate: an AEAD twice");
  }
  return aeads;
}

/**
 * Verify and read a grant: `{site, credential, notBefore, expires, key, accessPoints}`.
 *
 * The rules of an access point are the hub's to judge; a phone reads which ones there are.
 */
export async function readGrant(data, issuer) {
  const claims = await documents.readDocument(documents.GRANT, data, {
    key: issuer,
    kid: issuer.kid,
    members: [ISS, SUB, AUD, EXP, NBF, CTI, CNF, SCOPE],
    optional: [USES],
  });
  const id = claims.get(CTI);
  const [shortest, longest] = GRANT_ID_BYTES;
  if (!isBytes(id) || id.length < shortest || id.length > longest) {
    throw new ProofError("grant: its id has not 8..16 bytes");
  }
  return {
    site: documents.siteOf(claims),
    credential: documents.nameOf(claims.get(SUB), "credential"),
    ...documents.timesOf(claims),
    key: await readKey(documents.confirmedKey(claims)),
    accessPoints: granted(documents.scopeOf(claims)),
  };
}

function granted(scope) {
  const isEntry = (entry) =>
    Array.isArray(entry) &&
    entry.length === 3 &&
    documents.isPoint(entry[0]) &&
    isUint(entry[1]) &&
    Array.isArray(entry[2]);
  if (scope.length > ENTRIES_MAX || !scope.every(isEntry)) {
    throw new ProofError(`grant: not 1..${ENTRIES_MAX} entries of access`);
  }
  return scope.map(([point]) => point);
}
