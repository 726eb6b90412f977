/**
 * What the service worker keeps, and the version of it: a hash of these files.
 *
 * Written by `python -m tests.webphone.cached`.
 */

export const VERSION = "a1d9ac35ca44dc76";

export const FILES = [
  "icon.svg",
  "index.html",
  "key/comingback.js",
  "key/keys.js",
  "key/passkey.js",
  "main.js",
  "manifest.webmanifest",
  "page/app.js",
  "page/door.js",
  "page/grants.js",
  "page/radio.js",
  "page/screen.js",
  "page/site.js",
  "page/store.js",
  "page/tabs.js",
  "page/versions.js",
  "page/words.js",
  "phone/attempt.js",
  "phone/effects.js",
  "phone/listening.js",
  "phone/onlink.js",
  "phone/requests.js",
  "phone/trust.js",
  "phone/visit.js",
  "phone/wallet.js",
  "phone.css",
  "protocol/bytes.js",
  "protocol/cbor.js",
  "protocol/certificates.js",
  "protocol/codes.js",
  "protocol/cose.js",
  "protocol/documents.js",
  "protocol/errors.js",
  "protocol/framing.js",
  "protocol/messages.js",
  "protocol/plaintexts.js",
  "protocol/sealing.js",
];
