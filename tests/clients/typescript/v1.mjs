// A visit with the MCP SDK 1.x for TypeScript. Modes: `http`, `sse`.
import { signedIn } from "./signing.mjs";
import { capabilities, Heard, host, run, say, sdk, verbs, walk } from "./visit.mjs";

const { Client } = sdk("@modelcontextprotocol/sdk/client/index.js");
const { SSEClientTransport } = sdk("@modelcontextprotocol/sdk/client/sse.js");
const { StreamableHTTPClientTransport } = sdk("@modelcontextprotocol/sdk/client/streamableHttp.js");
const types = sdk("@modelcontextprotocol/sdk/types.js");

const ASKED = {
  "elicitation/create": types.ElicitRequestSchema,
  "sampling/createMessage": types.CreateMessageRequestSchema,
  "roots/list": types.ListRootsRequestSchema,
};

run(async ({ url, headers, mode, steps, ...order }) => {
  const heard = new Heard();
  const client = new Client({ name: "gatehouse-typescript-1", version: "1" }, { capabilities: capabilities(order) });
  for (const [method, answer] of Object.entries(host(order, heard))) client.setRequestHandler(ASKED[method], answer);
  client.setNotificationHandler(types.LoggingMessageNotificationSchema, ({ params }) => heard.log(params.data));
  client.setNotificationHandler(types.ToolListChangedNotificationSchema, () => heard.change("tools"));
  client.setNotificationHandler(types.PromptListChangedNotificationSchema, () => heard.change("prompts"));
  client.setNotificationHandler(types.ResourceUpdatedNotificationSchema, ({ params }) => heard.change(params.uri));

  const Transport = mode === "sse" ? SSEClientTransport : StreamableHTTPClientTransport;
  let protocol;
  const open = (more) => {
    const made = new Transport(new URL(url), { requestInit: { headers }, ...more });
    const adopt = made.setProtocolVersion.bind(made);
    made.setProtocolVersion = (version) => adopt((protocol = version));
    return made;
  };
  const transport = await signedIn(order, client, open, (first, told) => first.finishAuth(told.get("code")));
  say("connect", { protocol });

  const level = (wanted) => client.setLoggingLevel(wanted);
  const call = (params, options) => client.callTool(params, undefined, options);
  const watch = async (what, trigger) => {
    if (what.includes("://")) await client.subscribeResource({ uri: what });
    await trigger();
    return heard.notice(what);
  };
  await walk(steps, heard, verbs(client, heard, { level, call, watch }));
  await transport.terminateSession?.();
  await client.close();
});
