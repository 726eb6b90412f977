/**
 * How this phone comes back after its browser has forgotten it: its passkey proves it to the site,
 * and a new key takes the place of the one that is gone (docs/site.md, "A browser that has
 * forgotten").
 *
 * Laws:
 * 1. Where the site does not offer it, nothing is shown, asked or sent.
 * 2. What this phone has stays as it is until the site has taken the new key.
 * 3. The site keeps a passkey that this phone's key has signed for. Tokens alone keep none.
 * 4. A key that is protected in this way is in the place of the one before it: no link is needed.
 */

import { encode } from "../protocol/cbor.js";
import { fromBase64url, toBase64url, utf8 } from "../protocol/bytes.js";
import { sign1 } from "../protocol/cose.js";
import { wrappedKey } from "./keys.js";
import { makeAsked, signAsked, takesAsked } from "./passkey.js";

/** What this phone's signature over a passkey is for: nothing else that it signs says so. */
const KEEPS = utf8("hub-phone keeps a passkey");

export class ComingBack {
  /** `site` is the site's server, `key` this phone's own. */
  constructor(site, key) {
    this.site = site;
    this.key = key;
    this.isOffered = false;
    this.isConnected = false;
  }

  /** Look whether the site offers it, where that is of use to this phone. */
  async look(isEnrolled) {
    this.isConnected = await this.site.isConnected();
    const isOfUse = takesAsked() && (this.isConnected || !isEnrolled);
    this.isOffered = isOfUse && (await this.site.offersReturn());
  }

  /** Whether a passkey can be made that the site keeps. */
  get mayKeep() {
    return this.isOffered && this.isConnected && !this.key.comesBack;
  }

  /** Make a passkey for this phone, which the site keeps. Raise NoPasskey, Told, Away. */
  async keepPasskey() {
    const signer = await this.key.signer();
    const { publicKey } = await this.site.say("passkey/asked");
    const made = await makeAsked(publicKey);
    const which = [publicKey.challenge, made.rawId].map(fromBase64url);
    const header = encode(new Map([[1, signer.alg]]));
    const signature = toBase64url(await sign1(signer, header, encode(which), KEEPS));
    await this.site.say("passkey", { made, signature });
  }

  /** Prove the passkey; return where the browser has to go then. Raise NoPasskey, Told, Away. */
  async prove() {
    const { publicKey } = await this.site.askedAgain();
    const { passkey, wraps, told } = await signAsked(publicKey);
    const coming = await wrappedKey(passkey, wraps, { comesBack: true });
    await this.site.provenAgain(told);
    await this.key.expect(coming);
    return this.site.begin();
  }
}
