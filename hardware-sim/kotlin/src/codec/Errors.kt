/**
 * The errors of this phone: each says what failed, and so who has to act.
 *
 * Laws:
 * 1. FrameError: bytes are not what the protocol allows. Nothing of them is used.
 * 2. ProofError: bytes are well-formed and prove nothing. There is one for every cause.
 * 3. LinkError: the radio link was refused, lost, or did not answer in time.
 */

package hub.codec

sealed class PhoneError(message: String, cause: Throwable?) : Exception(message, cause)

class FrameError(message: String, cause: Throwable? = null) : PhoneError(message, cause)

class ProofError(message: String, cause: Throwable? = null) : PhoneError(message, cause)

class LinkError(message: String, cause: Throwable? = null) : PhoneError(message, cause)
