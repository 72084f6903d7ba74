// One visit with the MCP SDK 1.x for TypeScript: MCP_URL, MCP_KEY in, one JSON object out.
// NPM_FOLDER names the folder whose node_modules holds the SDK; it lies outside this repository.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NPM_FOLDER}/package.json`);
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
const { ElicitRequestSchema } = require("@modelcontextprotocol/sdk/types.js");

const seconds = () => performance.now() / 1000;

async function visit(client, transport, asked) {
  const { tools } = await client.listTools();
  const called = await client.callTool({ name: "test_simple_text", arguments: {} });
  const progress = [];
  const started = seconds();
  const onprogress = ({ progress: done }) => progress.push([done, seconds() - started]);
  await client.callTool({ name: "test_tool_with_progress", arguments: {} }, undefined, { onprogress });
  const finished = seconds() - started;
  const read = await client.readResource({ uri: "test://static-text" });
  const prompt = await client.getPrompt({ name: "test_prompt_with_arguments", arguments: { arg1: "a", arg2: "b" } });
  const answered = await client.callTool({ name: "test_elicitation", arguments: { message: "Who are you?" } });
  return {
    protocol: transport.protocolVersion,
    tools: tools.map(({ name }) => name),
    text: called.content[0].text,
    progress,
    finished,
    resource: read.contents[0].text,
    prompt: prompt.messages[0].content.text,
    asked,
    answered: answered.content[0].text,
  };
}

async function main() {
  const asked = [];
  const client = new Client({ name: "gatehouse-typescript", version: "1" }, { capabilities: { elicitation: {} } });
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    asked.push(params.message);
    return { action: "accept", content: { username: "ana", email: "ana@example.com" } };
  });
  const headers = { Authorization: `Bearer ${process.env.MCP_KEY}` };
  const transport = new StreamableHTTPClientTransport(new URL(process.env.MCP_URL), { requestInit: { headers } });
  await client.connect(transport);
  try {
    return await visit(client, transport, asked);
  } finally {
    await transport.terminateSession();
    await client.close();
  }
}

main().then(
  (found) => console.log(JSON.stringify(found)),
  (error) => console.log(JSON.stringify({ error: String(error) })),
);
