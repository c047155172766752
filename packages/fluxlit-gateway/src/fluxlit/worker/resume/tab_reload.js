// A tab that is loaded again offers the id of the session that it had, as it does when it only lost its connection.
// The id comes from the server's own messages, and stays in the tab: sessionStorage is shared with no other tab.
(() => {
  const KEY = "fluxlit-session";
  const MARK = "__MARK__";
  const FIELDS = __FIELDS__;
  const LOADS = "fluxlit-loads";
  const MOST_LOADS = 5; // a minute: a page that never fits must not be loaded again for ever
  const Plain = window.WebSocket;
  let offered = null;
  let mayReload = false;

  if (window.top !== window) return; // frames of one tab share its storage, and each has a session of its own
  try {
    const [entry] = performance.getEntriesByType("navigation");
    if (entry?.type === "reload" || document.wasDiscarded) {
      offered = sessionStorage.getItem(KEY);
    } else {
      sessionStorage.removeItem(KEY); // also what a duplicated tab has been given of the original's
    }
    const lately = JSON.parse(sessionStorage.getItem(LOADS) ?? "[]").filter((time) => Date.now() - time < 60_000);
    sessionStorage.setItem(LOADS, JSON.stringify([...lately, Date.now()]));
    mayReload = lately.length < MOST_LOADS;
  } catch {
    return; // storage is forbidden here, and a reload begins anew
  }

  if (mayReload) {
    // While a server is upgraded, the page may be of one release and the server behind the WebSocket of another.
    // Streamlit's front end compares them if it is asked to, and loads the page again.
    window.__streamlit = { ...window.__streamlit, ENABLE_RELOAD_BASED_ON_HARDCODED_STREAMLIT_VERSION: true };
    // A part that cannot be loaded may be of a former release. The page knows by its own address whether it is that.
    window.addEventListener("vite:preloadError", async () => {
      const own = document.querySelector('script[type="module"][src*="static/js/"]')?.getAttribute("src");
      const now = await fetch(location.href, { cache: "no-store" }).catch(() => null);
      if (own && now?.ok && !(await now.text()).includes(own)) location.reload();
    });
  }

  // The first field of this number that has a length, in a protobuf message (protobuf.dev/programming-guides/encoding).
  const field = (bytes, number) => {
    let at = 0;
    const varint = () => {
      let value = 0;
      for (let scale = 1; at < bytes.length; scale *= 128) {
        const byte = bytes[at++];
        value += (byte & 127) * scale;
        if (byte < 128) break;
      }
      return value;
    };
    while (at < bytes.length) {
      const tag = varint();
      const kind = tag & 7;
      if (kind === 0) varint();
      else if (kind === 1) at += 8;
      else if (kind === 5) at += 4;
      else if (kind === 2) {
        const size = varint();
        if (Math.floor(tag / 8) === number) return bytes.subarray(at, at + size);
        at += size;
      } else return null;
    }
    return null;
  };

  window.WebSocket = class extends Plain {
    constructor(url, protocols) {
      const streamlits = Array.isArray(protocols) && protocols[0] === "streamlit";
      const first = streamlits && protocols.length === 2 && /^[\w-]+$/.test(offered ?? "");
      super(url, first ? [...protocols, offered, MARK] : protocols);
      if (!streamlits) return;
      const note = ({ data }) => {
        if (!(data instanceof ArrayBuffer)) return;
        const found = FIELDS.reduce((bytes, number) => bytes && field(bytes, number), new Uint8Array(data));
        if (!found) return;
        this.removeEventListener("message", note);
        offered = null;
        sessionStorage.setItem(KEY, new TextDecoder().decode(found));
      };
      this.addEventListener("message", note);
    }
  };
})();
