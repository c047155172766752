// What a tab does when its login has ended. Streamlit's front end keeps what it has shown, and tries for ever to reach a
// server that refuses it; or it is let in without a user, where a page is public, and still shows what the user has
// seen. Before it opens its WebSocket, again or for the first time, it asks whether the server is there. The responses
// name the visitor, so they are watched here.
(() => {
  const PROBE = /\/_stcore\/(health|host-config)$/;
  const STYLE = `
    #fluxlit-signed-out { font: 16px/1.5 system-ui, sans-serif; max-width: 26em; padding: 1.5em 2em;
      border: 1px solid #8084954d; border-radius: .75em; color-scheme: light dark; background: Canvas;
      color: CanvasText }
    #fluxlit-signed-out::backdrop { color-scheme: light dark; background: Canvas }
    #fluxlit-signed-out h1 { font-size: 1.4em; margin: 0 0 .5em; padding: 0 }
    #fluxlit-signed-out p { margin: 0 0 1.25em }
    #fluxlit-signed-out button { font: inherit; padding: .4em 1em; border: 0; border-radius: .5em; cursor: pointer;
      background: #0f62ac; color: #fff }`;
  const ask = window.fetch;
  let visitor = "";
  let notice = null;
  let leaving = false;

  window.fetch = async function (...request) {
    const answer = await ask.apply(this, request);
    if (answer.url && PROBE.test(new URL(answer.url).pathname)) {
      if (answer.status === 401) show("Sign in again to come back to this page.", "Sign in again");
      else if (answer.ok) meet(answer.headers.get("x-fluxlit-visitor") || "");
    }
    return answer;
  };

  // A user who has just clicked "Sign out" is on the way to another page.
  addEventListener("beforeunload", () => {
    leaving = true;
    setTimeout(() => { leaving = false; }, 10000);
  });

  function meet(now) {
    if (now && (notice || (visitor && now !== visitor))) location.reload();  // signed in again, perhaps as another user
    else if (visitor && !now) show("Reload this page to go on.", "Reload");
    else visitor = now;
  }

  // What was shown to a user does not stay in the document (ASVS 5.0, 14.3.1).
  function show(advice, label) {
    if (notice || leaving || !document.body) return;
    notice = document.createElement("dialog");
    notice.id = "fluxlit-signed-out";
    notice.setAttribute("aria-labelledby", "fluxlit-signed-out-title");
    add("style", STYLE);
    add("h1", "You are signed out").id = "fluxlit-signed-out-title";
    add("p", `Your login has ended. ${advice}`);
    add("button", label).addEventListener("click", () => location.reload());
    notice.addEventListener("cancel", event => event.preventDefault());
    document.body.replaceChildren(notice);
    notice.showModal();
  }

  function add(kind, text) {
    const element = document.createElement(kind);
    element.textContent = text;
    notice.append(element);
    return element;
  }
})();
