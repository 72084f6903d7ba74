// A strict OAuth authorization server: oidc-provider, with every check on that it has, and three that it leaves out.
//
// Takes one argument, the JSON of `Options` in provider.py; listens on 127.0.0.1, says so in one line, then writes a
// line of JSON for whatever is asked of it, without any secret. Keeps everything in memory.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const library = `${process.env.NPM_FOLDER}/node_modules/oidc-provider/lib/index.js`;
const { default: Provider, errors } = await import(pathToFileURL(library));

const { port, resources, scopes, clients, elsewhere, ...options } = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

const write = (event, told) => console.log(JSON.stringify({ event, ...told }));

/** How a client authenticated, which the library does not hold against what it registered for. */
function authentication({ headers, oidc: { params } }) {
  if (headers.authorization) return "client_secret_basic";
  if (params?.client_secret) return "client_secret_post";
  return params?.client_assertion ? "private_key_jwt" : "none";
}

/** What the library lets pass at the token endpoint: a token request without `resource`, another authentication. */
function refuseLaxRequests(ctx) {
  if (ctx.oidc.route !== "token") return;
  const { clientAuthMethod } = ctx.oidc.client;
  if (authentication(ctx) !== clientAuthMethod) {
    throw new errors.InvalidClientAuth(`this client uses ${clientAuthMethod}`);
  }
  if (!ctx.oidc.params.resource) throw new errors.InvalidTarget("a token request names its resource");
}

/** The policy of dynamic registration: clients with a name, for people. */
function refuseStrangeClients(ctx, _key, _value, client) {
  if (ctx?.oidc.route !== "registration") return;
  if (!client.client_name) throw new errors.InvalidClientMetadata("client_name is mandatory here");
  if (client.grant_types.some((type) => !["authorization_code", "refresh_token"].includes(type))) {
    throw new errors.InvalidClientMetadata("grant_types can only be authorization_code and refresh_token here");
  }
}

function resourceServer(ctx, resource) {
  refuseLaxRequests(ctx);
  if (!resources.includes(resource)) throw new errors.InvalidTarget(`${resource} is not served here`);
  const accessTokenTTL = options.access_token_ttl_s;
  return { audience: resource, scope: scopes.join(" "), accessTokenTTL, accessTokenFormat: "opaque" };
}

const provider = new Provider(issuer, {
  clients,
  scopes: ["offline_access", ...scopes],
  clientAuthMethods: ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
  responseTypes: ["code"],
  allowOmittingSingleRegisteredRedirectUri: false,
  pkce: { required: () => true },
  // Called before anything is rotated, so a lax request costs nobody a grant.
  rotateRefreshToken: (ctx) => (refuseLaxRequests(ctx), true),
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  cookies: { keys: [randomBytes(32).toString("hex")] },
  extraClientMetadata: { properties: ["software_id"], validator: refuseStrangeClients },
  // Other hosts stand at addresses of this machine; the agent that comes along would refuse those.
  fetch: (url, { dispatcher: _, ...more }) => {
    const { origin, pathname, search } = new URL(url);
    if (!elsewhere[origin]) throw new Error(`${origin} cannot be reached`);
    return fetch(elsewhere[origin] + pathname + search, more);
  },
  features: {
    devInteractions: { enabled: true },
    dPoP: { enabled: false },
    pushedAuthorizationRequests: { enabled: false },
    rpInitiatedLogout: { enabled: false },
    userinfo: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    registration: { enabled: options.registration },
    clientIdMetadataDocument: { enabled: options.documents, ack: "draft-02" },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: resourceServer,
      defaultResource: () => {
        throw new errors.InvalidTarget("an authorization request names its resource");
      },
    },
  },
});

const shown = ({ client_secret: _, ...metadata }) => metadata;
const asked = ({ oidc }) => ({ client: oidc.client?.clientId ?? oidc.params?.client_id, resource: oidc.params?.resource });
const refused = (error) => ({ error: error.error, why: error.error_detail ?? error.error_description });
const authorization = (ctx) => ({ ...asked(ctx), scope: ctx.oidc.params?.scope, prompt: ctx.oidc.params?.prompt });
const token = (ctx) => ({
  ...asked(ctx),
  grant_type: ctx.oidc.params?.grant_type,
  authentication: authentication(ctx),
  scope: ctx.body?.scope,
  grant: ctx.oidc.entities.Grant?.jti,
  rotations: ctx.oidc.entities.RefreshToken?.rotations ?? 0,
});
provider.on("authorization.success", (ctx) => write("authorization", authorization(ctx)));
provider.on("authorization.error", (ctx, error) => write("authorization", { ...authorization(ctx), ...refused(error) }));
provider.on("registration_create.success", (_ctx, client) => write("registration", shown(client.metadata())));
provider.on("registration_create.error", (_ctx, error) => write("registration", refused(error)));
provider.on("grant.success", (ctx) => write("token", token(ctx)));
provider.on("grant.error", (ctx, error) => write("token", { ...token(ctx), ...refused(error) }));
provider.on("grant.revoked", (_ctx, grant) => write("revoked", { grant }));
provider.on("revocation.error", (ctx, error) => write("revocation", { ...asked(ctx), ...refused(error) }));
provider.on("server_error", (_ctx, error) => console.error(error));

/** What was asked for is done at once, but told late: others have time to use the old refresh token. */
provider.use(async (ctx, next) => {
  await next();
  if (ctx.path === "/token") await sleep(options.delay_ms);
});

const { now } = Date;
let ahead = 0;
Date.now = () => now() + ahead;

/** What a test does to the provider: let time pass; take a grant back, as people do in their settings. */
const CONTROLS = {
  "/-/advance": ({ seconds }) => (ahead += Number(seconds) * 1000),
  "/-/withdraw": ({ grant }) =>
    Promise.all([provider.AccessToken, provider.RefreshToken].map((tokens) => tokens.revokeByGrantId(grant))),
};
provider.use(async (ctx, next) => {
  if (!(ctx.path in CONTROLS)) return next();
  await CONTROLS[ctx.path](ctx.query);
  ctx.status = 204;
});

createServer(provider.callback()).listen(port, "127.0.0.1", () => console.log(`strict provider at ${issuer}`));
