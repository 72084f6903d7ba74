// How a program signs in with either TypeScript SDK: a folder to remember in, a port to come back to.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";

const opened = promisify(execFile);

/** Where the browser comes back to: a free port, another one at each start (RFC 8252, section 7.3). */
async function callback() {
  let arrive;
  const arrived = new Promise((resolve) => (arrive = resolve));
  const server = createServer((request, response) => {
    response.end("You can close this window.");
    arrive(new URL(request.url, "http://127.0.0.1").searchParams);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { uri: `http://127.0.0.1:${server.address().port}/callback`, arrived };
}

/** The SDK's OAuthClientProvider: one file for each thing that it remembers. */
class Memory {
  constructor({ folder, document }, back) {
    mkdirSync(folder, { recursive: true });
    Object.assign(this, { folder, back, clientMetadataUrl: document, sent: crypto.randomUUID() });
  }

  file = (name) => join(this.folder, `${name}.json`);
  read = (name) => (existsSync(this.file(name)) ? JSON.parse(readFileSync(this.file(name), "utf8")) : undefined);
  write = (name, value) => writeFileSync(this.file(name), JSON.stringify(value));

  get redirectUrl() {
    return this.back.uri;
  }
  get clientMetadata() {
    return { client_name: "TypeScript", redirect_uris: [this.back.uri], token_endpoint_auth_method: "none" };
  }

  state = () => this.sent;
  tokens = () => this.read("tokens");
  saveTokens = (tokens) => this.write("tokens", tokens);
  clientInformation = () => this.read("client");
  saveClientInformation = (client) => this.write("client", client);
  saveDiscoveryState = (found) => this.write("discovery", found);
  discoveryState = () => this.read("discovery");
  saveCodeVerifier = (verifier) => (this.verifier = verifier);
  codeVerifier = () => this.verifier;
  redirectToAuthorization = (url) => opened(process.env.BROWSER, [url.href]);

  /** What the browser brought. */
  async answer() {
    const told = await this.back.arrived;
    if (told.get("state") !== this.sent) throw new Error("This answer belongs to another question.");
    if (told.has("error")) throw new Error(JSON.stringify(Object.fromEntries(told)));
    return told;
  }
}

/**
 * Connect, by way of the browser if there is no other: the SDK then gives up the first attempt.
 * `open` makes a transport, `client` is connected to it, `finish` hands over what the browser brought.
 */
export async function signedIn({ sign_in }, client, open, finish) {
  const authProvider = sign_in ? new Memory(sign_in, await callback()) : undefined;
  const transport = open({ authProvider });
  try {
    await client.connect(transport);
    return transport;
  } catch (error) {
    if (!authProvider || error.constructor.name !== "UnauthorizedError") throw error;
    await finish(transport, await authProvider.answer());
  }
  const second = open({ authProvider });
  // Over HTTP+SSE the SDK's client still takes itself for connected.
  await client.close();
  await client.connect(second);
  return second;
}
