/**
 * The errors of this phone: each says what failed, and so who has to act.
 *
 * Laws:
 * 1. FrameError: bytes are not what the protocol allows. Nothing of them is used.
 * 2. ProofError: bytes are well-formed and prove nothing. There is one for every cause.
 * 3. LinkError: the radio link was refused, lost, or did not answer in time.
 */

export class FrameError extends Error {
  name = "FrameError";
}

export class ProofError extends Error {
  name = "ProofError";
}

export class LinkError extends Error {
  name = "LinkError";
}
