// A certified OpenID provider (npm's oidc-provider) that a test steers by lines of JSON on its standard input.
// Every line is answered by one on the standard output. Any user may sign in, under any name, with any password.

import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';

const GROUPS = { ada: ['admin', 'staff'], bob: ['staff'] };
const clients = new Map();
const calls = {};
let port = 0;
let accessTokenSeconds = 3600;
let keys = [newKey('first')];
let handle;
let server;

// Clients are registered while the provider runs, because the addresses of applications are known late.
class Adapter extends MemoryAdapter {
  async find(id) {
    return this.model === 'Client' ? clients.get(id) : super.find(id);
  }
}

function newKey(kid) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' };
}

async function findAccount(ctx, id) {
  const name = id[0].toUpperCase() + id.slice(1);
  return { accountId: id, claims: async () => ({ sub: id, name, email: `${id}@example.org`, groups: GROUPS[id] ?? [] }) };
}

// Users are not asked for their consent: the application belongs to the same house.
async function loadExistingGrant(ctx) {
  const { provider, client, session, params } = ctx.oidc;
  const known = session.grantIdFor(client.clientId);
  const grant = (known && (await provider.Grant.find(known)))
    || new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(params.scope);
  await grant.save();
  return grant;
}

function build() {
  const provider = new Provider(`http://localhost:${port}`, {
    adapter: Adapter,
    jwks: { keys },
    findAccount,
    loadExistingGrant,
    claims: { openid: ['sub'], profile: ['name', 'groups'], email: ['email'] },
    cookies: { keys: ['only for tests'] },
    features: { backchannelLogout: { enabled: true }, revocation: { enabled: true } },
    // Its own default refuses to send logout tokens to loopback addresses, where the tests' applications are.
    fetch: (url, options) => { const { dispatcher, ...rest } = options; return fetch(url, rest); },
    issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    ttl: {
      AccessToken: () => accessTokenSeconds,
      AuthorizationCode: 60, Grant: 86400, IdToken: 3600, Interaction: 600, RefreshToken: 86400, Session: 86400,
    },
  });
  for (const event of ['server_error', 'backchannel.error', 'grant.error', 'pushed_authorization_request.error']) {
    provider.on(event, (ctx, error) => console.error(event, error));
  }
  handle = provider.callback();
}

async function listen() {
  server = createServer((request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    calls[path] = (calls[path] ?? 0) + 1;
    handle(request, response);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  port = server.address().port;
}

const commands = {
  async client({ id, secret, url, backchannel }) {
    clients.set(id, {
      client_id: id,
      client_secret: secret,
      // The second of each belongs to st.login.
      redirect_uris: [`${url}/api/auth/callback`, `${url}/oauth2callback`],
      post_logout_redirect_uris: [`${url}/api/auth/logged-out`, `${url}/oauth2callback`],
      backchannel_logout_uri: `${backchannel ?? url}/api/auth/backchannel-logout`,
      backchannel_logout_session_required: true,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    });
  },
  async seconds({ seconds }) { accessTokenSeconds = seconds; },
  async rotate({ kid }) { keys = [newKey(kid)]; build(); },
  async down() { server.closeAllConnections(); await new Promise((done) => server.close(done)); },
  async up() { await listen(); },
  async calls() { return calls; },
};

await listen();
build();
console.log(JSON.stringify({ port }));
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...options } = JSON.parse(line);
  console.log(JSON.stringify((await commands[command](options)) ?? {}));
}
process.exit();
