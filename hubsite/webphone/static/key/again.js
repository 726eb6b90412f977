/**
 * How this phone comes back after its browser has forgotten it: its passkey proves it to the site,
 * and a new key takes the place of the one that is gone (docs/site.md, "A browser that has
 * forgotten").
 *
 * Laws:
 * 1. Where the site does not offer it, nothing is shown, asked or sent.
 * 2. What this phone has stays as it is until the site has taken the new key.
 * 3. A key that is protected in this way is in the place of the one before it: no link is needed.
 */

import { wrappedKey } from "./keys.js";
import { makeAsked, signAsked, takesAsked } from "./passkey.js";

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
    const { publicKey } = await this.site.say("passkey/asked");
    await this.site.say("passkey", await makeAsked(publicKey));
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
