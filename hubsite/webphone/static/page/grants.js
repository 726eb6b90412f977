/**
 * What a grant is to this page: an enrolment, from the site's server (`site.js`), by a link, or as
 * pasted text.
 *
 * An enrolment is base64url of CBOR: {1: site, 2: issuer's COSE_Key (bstr), 3: grant (bstr),
 * 4: [AEADs], 5: {access point: its name}, ? 6: [kids of revoked hubs], ? 7: revocations (bstr),
 * ? 8: {access point: what its hub is called on the air}}. Members above are for later pages.
 *
 * Laws:
 * 1. A grant must be of that issuer and site, for this phone's own key, and not over.
 * 2. A link chooses a door or brings a grant; it can do no more. An enrolment of another site or
 *    issuer than the one that this phone has changes nothing until the person says so.
 * 3. What is no enrolment is refused with a sentence, and what was there stays.
 * 4. Text or a link that would rename a door changes nothing until the person says so.
 *    The site's own server may rename doors.
 */

import { decode, encode, hasExactly } from "../protocol/cbor.js";
import { equal, fromBase64url, isBytes, toHex } from "../protocol/bytes.js";
import { readGrant } from "../protocol/certificates.js";
import { AEADS_HERE, KID_BYTES, decodeKey } from "../protocol/cose.js";
import { isPoint } from "../protocol/documents.js";

export const TEXT_MAX = 16384;
const REVOCATIONS_BYTES_MAX = 1024;
const NAME_LENGTH_MAX = 64;
const SHOWN_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,18}[A-Za-z0-9])?$/;
const MEMBERS = 8;

/** What a person is told when an enrolment cannot be taken. */
export class Refused extends Error {
  name = "Refused";
}

/** Return the enrolment that a page's address holds, "" for none: `#grant=...`. */
export function enrolmentIn(address) {
  return new URLSearchParams(new URL(address).hash.slice(1)).get("grant") ?? "";
}

/** Return the access point that a page's address names, null for none: `?door=10`. */
export function doorIn(address) {
  const door = new URL(address).searchParams.get("door") ?? "";
  return /^\d{1,10}$/.test(door) && isPoint(Number(door)) ? Number(door) : null;
}

/**
 * Read an enrolment for the key `cose`: `{site, issuerKey, issuer, grant, aeads, doors,
 * shownNames, revokedHubs, revocations, expires}`. `wall` is Unix seconds. Raise Refused.
 */
export async function readEnrolment(text, cose, wall) {
  const fields = decoded(text.trim());
  const issuer = await issuerOf(fields.get(2));
  const grant = await grantOf(fields.get(3), issuer);
  if (grant.site !== fields.get(1)) throw new Refused("This grant is of another site.");
  if (!equal(encode(grant.key.cose), encode(cose))) {
    throw new Refused("This grant is for another phone's key. Ask for one for the key below.");
  }
  if (wall > grant.expires) throw new Refused(wordsOfOver(wall));
  const aeads = fields.get(4);
  if (!aeads.some((aead) => AEADS_HERE.includes(aead))) {
    throw new Refused("This site allows only ciphers that no browser has. Tell its operator.");
  }
  return {
    site: grant.site,
    issuerKey: fields.get(2),
    issuer,
    grant: fields.get(3),
    aeads,
    doors: new Map(grant.accessPoints.map((point) => [point, nameOf(fields.get(5), point)])),
    shownNames: shownNamesOf(fields.get(8) ?? new Map()),
    revokedHubs: (fields.get(6) ?? []).map(toHex),
    revocations: fields.get(7) ?? new Uint8Array(0),
    expires: Number(grant.expires),
  };
}

/** Say that a grant is over by the date of this phone, which may be wrong. */
function wordsOfOver(wall) {
  const written = { day: "numeric", month: "long", year: "numeric" };
  const today = new Date(wall * 1000).toLocaleDateString("en-GB", written);
  return (
    `This grant is over. Check the date of this phone: it says ${today}. ` +
    "If it was wrong, open this page again. If it is right, ask for a new grant."
  );
}

function decoded(text) {
  let fields = null;
  try {
    if (text.length <= TEXT_MAX) fields = known(decode(fromBase64url(text)));
  } catch {
    fields = null;
  }
  const isEnrolment =
    hasExactly(fields, [1, 2, 3, 4, 5], [6, 7, 8]) &&
    isBytes(fields.get(2)) &&
    isBytes(fields.get(3)) &&
    Array.isArray(fields.get(4)) &&
    fields.get(5) instanceof Map &&
    (fields.get(8) ?? new Map()) instanceof Map &&
    areKids(fields.get(6) ?? []) &&
    isList(fields.get(7) ?? new Uint8Array(0));
  if (!isEnrolment) throw new Refused("This is no grant. Copy the whole text, or the whole link.");
  return fields;
}

/** Leave out what only a later page knows. */
function known(fields) {
  if (!(fields instanceof Map)) return fields;
  return new Map([...fields].filter(([label]) => !(Number.isInteger(label) && label > MEMBERS)));
}

function shownNamesOf(names) {
  const isName = ([, name]) => typeof name === "string" && SHOWN_NAME.test(name);
  return new Map([...names].filter(isName));
}

function areKids(kids) {
  return Array.isArray(kids) && kids.every((kid) => isBytes(kid, KID_BYTES));
}

function isList(revocations) {
  return isBytes(revocations) && revocations.length <= REVOCATIONS_BYTES_MAX;
}

function nameOf(names, point) {
  const name = names.get(point);
  const isName = typeof name === "string" && name.length > 0 && name.length <= NAME_LENGTH_MAX;
  return isName ? name : `Door ${point}`;
}

async function issuerOf(key) {
  try {
    return await decodeKey(key);
  } catch (error) {
    throw new Refused("The issuer's key in this grant is none.", { cause: error });
  }
}

async function grantOf(document, issuer) {
  try {
    return await readGrant(document, issuer);
  } catch (error) {
    throw new Refused("This grant does not prove itself. Ask for a new one.", { cause: error });
  }
}

/** Return the first door that would have another name, `{before, after}`; null for none. */
export function renamedDoor(kept, enrolment) {
  for (const [point, after] of enrolment.doors) {
    const before = kept.doors.get(point) ?? after;
    if (before !== after) return { before, after };
  }
  return null;
}

/** Tell whether an enrolment is of the site and the issuer that this phone has already. */
export function isOfSameSite(kept, enrolment) {
  return kept.site === enrolment.site && equal(kept.issuerKey, enrolment.issuerKey);
}
