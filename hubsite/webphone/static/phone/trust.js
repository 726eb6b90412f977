/**
 * Whether a phone may use a hub's certificates now, at a door
 * (docs/protocol.md, "Order of checks in the phone", 3 to 6).
 *
 * Law: what was verified once is looked at again before each use.
 */

import { equal, toHex } from "../protocol/bytes.js";
import { Why } from "./effects.js";
import { isOver } from "./wallet.js";

export const EPOCH_LEEWAY_SECONDS = 300;

/** Return why these certificates must not be used now at this access point, or null. */
export function distrust(known, challenge, wallet, accessPoint, wall) {
  const { hub, epoch } = known;
  if (hub.site !== wallet.site) return Why.OTHER_SITE;
  if (!equal(hub.key.kid, challenge.hub)) return Why.OTHER_HUB;
  if (wall < hub.notBefore || wall > hub.expires) return Why.HUB_OVER;
  if (wallet.revokedHubs.has(toHex(hub.key.kid))) return Why.HUB_REVOKED;
  if (!hub.accessPoints.includes(accessPoint)) return Why.OTHER_DOOR;
  if (!isInTime(epoch, wall)) return Why.CLOCK;
  if (chooseAead(wallet, epoch) === undefined) return Why.NO_AEAD;
  return null;
}

function isInTime(epoch, wall) {
  const begins = Number(epoch.notBefore) - EPOCH_LEEWAY_SECONDS;
  return begins <= wall && wall <= Number(epoch.expires) + EPOCH_LEEWAY_SECONDS;
}

/** Return the AEAD that the site likes best among those that the hub offers, or undefined. */
export function chooseAead(wallet, epoch) {
  return wallet.aeads.find((aead) => epoch.aeads.includes(aead));
}

/** Tell whether a ticket of this hub may be used here and now ("Tickets on the phone"). */
export function mayUse(ticket, challenge, wallet, accessPoint, wall) {
  return (
    !isOver(ticket, wall) &&
    !wallet.fullPathAt.has(accessPoint) &&
    ticket.accessPoints.includes(accessPoint) &&
    wallet.aeads.includes(ticket.aead) &&
    !wallet.revokedHubs.has(toHex(challenge.hub)) &&
    wallet.revocationsFor(ticket.hub).length === 0
  );
}
