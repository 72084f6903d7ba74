// A visit with version 2 of the MCP SDK for TypeScript. Modes: `legacy`, `auto`, or a revision to be pinned to.
import { signedIn } from "./signing.mjs";
import { capabilities, Heard, host, run, say, sdk, verbs, walk } from "./visit.mjs";

const { Client, LOG_LEVEL_META_KEY, StreamableHTTPClientTransport } = sdk("@modelcontextprotocol/client");

const FILTERS = { tools: { toolsListChanged: true }, prompts: { promptsListChanged: true } };

// `legacy` is what a user gets who says nothing.
const negotiation = (mode) =>
  mode === "legacy" ? {} : { versionNegotiation: { mode: mode === "auto" ? "auto" : { pin: mode } } };

// This SDK reports each round of questions as progress too, to its own user and without a total.
const reported = (onprogress) => (report) => report.total === undefined || onprogress(report);

run(async ({ url, headers, mode, steps, ...order }) => {
  const heard = new Heard();
  const own = { name: "gatehouse-typescript-2", version: "1" };
  const client = new Client(own, { capabilities: capabilities(order), ...negotiation(mode) });
  for (const [method, answer] of Object.entries(host(order, heard))) client.setRequestHandler(method, answer);
  client.setNotificationHandler("notifications/message", ({ params }) => heard.log(params.data));
  client.setNotificationHandler("notifications/tools/list_changed", () => heard.change("tools"));
  client.setNotificationHandler("notifications/prompts/list_changed", () => heard.change("prompts"));
  client.setNotificationHandler("notifications/resources/updated", ({ params }) => heard.change(params.uri));

  const open = (more) => new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers }, ...more });
  const transport = await signedIn(order, client, open, (first, told) => first.finishAuth(told));
  say("connect", { protocol: client.getNegotiatedProtocolVersion() });
  const modern = client.getProtocolEra() === "modern";

  // The modern era asks for logs with every request; this SDK leaves that to its user.
  const meta = {};
  const level = (wanted) => (modern ? (meta[LOG_LEVEL_META_KEY] = wanted) : client.setLoggingLevel(wanted));
  const call = (params, { onprogress, ...options }) =>
    client.callTool({ ...params, _meta: meta }, { ...options, onprogress: onprogress && reported(onprogress) });
  const watch = async (what, trigger) => {
    const filter = FILTERS[what] ?? { resourceSubscriptions: [what] };
    const listening = modern ? await client.listen(filter) : undefined;
    if (!modern && what.includes("://")) await client.subscribeResource({ uri: what });
    await trigger();
    const found = await heard.notice(what);
    await listening?.close();
    return found;
  };
  await walk(steps, heard, verbs(client, heard, { level, call, watch }));
  await transport.terminateSession?.();
  await client.close();
});
