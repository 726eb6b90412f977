// Security keys and passkeys: asks the server what to sign, the browser to sign it, and sends the form.
//
// Laws:
// 1. Nothing is sent before the form's other fields are filled in.
// 2. What went wrong is said in the page, in a person's words. The form stays as it was.
// 3. Where the browser has no keys, nothing of this is shown.

const has_keys = window.PublicKeyCredential?.parseRequestOptionsFromJSON !== undefined;
const NO_ANSWER = "This server does not answer. Try again.";
const NO_NAME = "Fill in the other fields first.";
const WHY = {
  NotAllowedError: "No key was used: it was refused, or it took too long. Try again.",
  InvalidStateError: "This key is in use for your account already.",
  SecurityError: "Keys count at this server's first name alone: open this page there.",
  NotSupportedError: "This key cannot do what is needed. Try another one.",
  ConstraintError: "This key asks for no finger or PIN, or has no room. Try another one.",
};

// Return what the server asks, for the browser.
async function asked(form) {
  const answer = await fetch(form.dataset.asks, { cache: "no-store", redirect: "error" });
  if (!answer.ok) throw new Error(NO_ANSWER);
  return (await answer.json()).publicKey;
}

async function sign(form) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(await asked(form));
  return navigator.credentials.get({ publicKey });
}

async function make(form) {
  const json = await asked(form);
  const name = form.elements.name?.value.trim();
  if (name) json.user = { ...json.user, name, displayName: name };
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(json);
  return navigator.credentials.create({ publicKey });
}

const ASKS = { sign, make };

function prepare(form) {
  const part = (name) => form.querySelector(`[data-part="${name}"]`);
  const say = (sentence) => {
    part("why").textContent = sentence;
    part("why").hidden = sentence === "";
  };
  const ask = async () => {
    say("");
    const code = form.elements.code;
    if (code) code.required = false; // a key stands in its place
    try {
      if (!form.checkValidity()) {
        form.reportValidity();
        say(NO_NAME);
        return;
      }
      const credential = await ASKS[form.dataset.key](form);
      form.elements.key.value = JSON.stringify(credential.toJSON());
      form.submit();
    } catch (error) {
      say(WHY[error.name] ?? (error.name === "Error" ? error.message : NO_ANSWER));
    } finally {
      if (code) code.required = true;
    }
  };
  part("key").hidden = false;
  part("no-script")?.remove();
  part("ask").addEventListener("click", ask);
  form.addEventListener("keydown", (event) => {
    if (form.dataset.key === "make" && event.key === "Enter" && event.target.tagName === "INPUT") {
      event.preventDefault(); // without a key there is nothing to send
      ask();
    }
  });
}

if (has_keys) document.querySelectorAll("form[data-key]").forEach(prepare);
