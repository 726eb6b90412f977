/**
 * What a phone's machines want done, and why an attempt ended without an answer.
 *
 * Law: a machine says, and never does. `visit.js` performs, in order.
 */

/** Why an attempt ended without an answer. `page/words.js` has a sentence for each. */
export const Why = Object.freeze({
  OTHER_VERSION: "the hub speaks another version",
  NO_HUB: "this is no hub",
  NO_CERTIFICATES: "the hub sent no certificates",
  NO_ANSWER: "the hub gave no answer",
  BUSY: "the hub is busy",
  LINK_LOST: "the link is lost",
  UNTRUSTED: "the hub's certificates prove nothing",
  OTHER_SITE: "the hub is another site's",
  OTHER_HUB: "the certificate is another hub's than the challenge's",
  HUB_OVER: "the hub's certificate is not valid at this time",
  HUB_REVOKED: "the hub is revoked",
  OTHER_DOOR: "the hub is not certified for this access point",
  CLOCK: "the epoch's certificate is not valid at this time",
  NO_AEAD: "the hub offers no AEAD that this phone may use",
  OTHER_EPOCH: "the certificate is of another epoch than the challenge's",
});

/** Read INFO, after so many seconds, and bring its value to `info`. */
export function readInfo(afterSeconds = 0) {
  return { do: "read INFO", afterSeconds };
}

/** Send this message whole. */
export function send(message) {
  return { do: "send", message };
}

/** Write one frame: an ACK. */
export function write(frame) {
  return { do: "write", frame };
}

/** Read TXR and bring its value to `pulled`. */
export function readTxr() {
  return { do: "read TXR" };
}

/** The hub has decided. */
export function decided(verdict) {
  return { do: "decided", verdict };
}

/** The hub says what the door did. */
export function moved(state) {
  return { do: "moved", state };
}

/** The attempt ends without an answer; `unknown`: the door may have opened. */
export function gaveUp(why, unknown) {
  return { do: "gave up", why, unknown };
}

/** Disconnect. */
export function leave() {
  return { do: "leave" };
}
