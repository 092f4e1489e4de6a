// Passkeys: a form with data-passkey asks the browser before it is sent. "create" makes one, "get" shows one.
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const described = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const make = async (options) => {
    const asked = { ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) }, excludeCredentials: described(options.excludeCredentials) };
    const made = await navigator.credentials.create({ publicKey: asked });
    return { id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: made.getClientExtensionResults(), response: { clientDataJSON: text(made.response.clientDataJSON), attestationObject: text(made.response.attestationObject) } };
  };
  const show = async (options) => {
    const asked = { ...options, challenge: bytes(options.challenge), allowCredentials: described(options.allowCredentials) };
    const shown = await navigator.credentials.get({ publicKey: asked });
    const { clientDataJSON, authenticatorData, signature, userHandle } = shown.response;
    return { id: shown.id, rawId: text(shown.rawId), type: shown.type, clientExtensionResults: shown.getClientExtensionResults(), response: { clientDataJSON: text(clientDataJSON), authenticatorData: text(authenticatorData), signature: text(signature), userHandle: userHandle ? text(userHandle) : null } };
  };
  const told = (error) => ({
    NotAllowedError: "The passkey was not used: it was cancelled, took too long, or none of this account is on this device.",
    InvalidStateError: "This device holds a passkey of this account already.",
    SecurityError: "This browser allows no passkeys at this address. Open the portal by its name, over HTTPS (on this machine: localhost, not 127.0.0.1).",
    NotSupportedError: "This browser cannot make a passkey that asks for PIN, finger or face.",
  })[error.name] || `The passkey could not be used (${error.name}).`;

  const optionsOf = (form) => {
    const options = JSON.parse(form.dataset.options);
    if (!form.dataset.challenges) return options;
    const decision = form.querySelector("[name=decision]:checked"); // each decision has its own challenge
    return decision ? { ...options, challenge: JSON.parse(form.dataset.challenges)[decision.value] } : null;
  };

  // A passkey that the person holds, shown beside what the form is about: its button fills a field and sends nothing.
  for (const button of document.querySelectorAll("[data-show-passkey]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const form = button.form;
      const place = form.querySelector("[data-held-error]");
      const said = form.querySelector("[data-passkey-shown]");
      place.hidden = true;
      try {
        if (!window.PublicKeyCredential) throw new DOMException("", "SecurityError");
        form.querySelector("[name=held_passkey]").value = JSON.stringify(await show(JSON.parse(button.dataset.options)));
        said.textContent = "Your passkey was shown. Go on with the form.";
      } catch (error) {
        said.textContent = "";
        place.textContent = told(error);
        place.hidden = false;
      }
    });
  }

  // Before the listener of forms.js, which marks a form as sent.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    const button = event.submitter;
    const wanted = form.dataset.passkey && (!form.hasAttribute("data-passkey-button") || button?.hasAttribute("data-use-passkey"));
    if (!wanted) return;
    const field = form.querySelector("[name=passkey]");
    if (field.value) return;
    const options = optionsOf(form);
    if (!options) return; // no decision yet: the server says so
    event.preventDefault();
    event.stopImmediatePropagation();
    const place = form.querySelector("[data-passkey-error]");
    place.hidden = true;
    if (form.dataset.asking) return;
    form.dataset.asking = "1";
    try {
      if (!window.PublicKeyCredential) throw new DOMException("", "SecurityError");
      field.value = JSON.stringify(await (form.dataset.passkey === "create" ? make(options) : show(options)));
      form.requestSubmit(button || undefined);
    } catch (error) {
      place.textContent = told(error);
      place.hidden = false;
    } finally {
      delete form.dataset.asking;
    }
  }, true);
})();
