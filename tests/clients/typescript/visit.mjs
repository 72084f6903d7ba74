// The part of a visit that both TypeScript SDKs share: the order comes in on standard input, one JSON line per step goes out.
// NPM_FOLDER names the folder whose node_modules holds the SDKs; it lies outside this repository.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { promisify } from "node:util";

export const sdk = createRequire(`${process.env.NPM_FOLDER}/package.json`);

const STEP_MS = 12_000; // before a step counts as hanging
const NOTICE_MS = 5_000; // to wait for a notification that somebody else causes

/** `pages` is what this application does with a page that its user is asked to open: `open` it, `decline`, or `none`. */
export const capabilities = ({ pages }) => ({
  elicitation: { form: {}, ...(pages === "none" ? {} : { url: {} }) },
  sampling: {},
  roots: {},
});

export function readOrder() {
  const order = JSON.parse(readFileSync(0, "utf8"));
  return { ...order, headers: order.key ? { Authorization: `Bearer ${order.key}` } : {} };
}

export const say = (step, found) => console.log(JSON.stringify({ step, found }));

/** What came from the server during one step. */
export class Heard {
  constructor() {
    this.clear();
  }

  clear() {
    Object.assign(this, { progress: [], logs: [], asked: [], changed: new Set(), first: 0, wake: () => {} });
  }

  report = ({ progress }) => {
    this.first ||= performance.now();
    this.progress.push(progress);
  };

  log = (data) => this.logs.push(data);

  change(what) {
    this.changed.add(what);
    this.wake();
  }

  notice(what) {
    if (this.changed.has(what)) return Promise.resolve({ changed: true });
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve({ changed: false }), NOTICE_MS);
      this.wake = () => {
        if (!this.changed.has(what)) return;
        clearTimeout(timer);
        resolve({ changed: true });
      };
    });
  }
}

const opened = promisify(execFile);

/** Have the person open a page, and wait until they are back. */
const openPage = (url) => opened(process.env.BROWSER, [url]);

/** The application around a client: answers what servers ask, by method. */
export const host = ({ answers, pages }, heard) => ({
  "elicitation/create": async ({ params }) => {
    heard.asked.push(params.message);
    if (params.mode === "url") {
      if (pages === "decline") return { action: "decline" };
      await openPage(params.url);
      return { action: "accept" };
    }
    const names = Object.keys(params.requestedSchema.properties);
    return { action: "accept", content: Object.fromEntries(names.map((name) => [name, answers.form[name]])) };
  },
  "sampling/createMessage": ({ params }) => {
    const [{ content }] = params.messages;
    heard.asked.push([content].flat()[0].text);
    return { role: "assistant", model: "fixed", content: { type: "text", text: answers.model } };
  },
  "roots/list": () => {
    heard.asked.push("roots");
    return { roots: [{ uri: answers.root }] };
  },
});

async function pages(fetch, names) {
  const found = [];
  let cursor;
  do {
    const page = await fetch(cursor ? { cursor } : undefined);
    found.push(...names(page));
    cursor = page.nextCursor;
  } while (cursor);
  return { names: found };
}

/** What a step can be; `level`, `call` and `watch` are what the SDKs do differently. */
export const verbs = (client, heard, { level, call, watch }) => ({
  list: ({ what }) =>
    ({
      tools: () => pages((cursor) => client.listTools(cursor), ({ tools }) => tools.map(({ name }) => name)),
      prompts: () => pages((cursor) => client.listPrompts(cursor), ({ prompts }) => prompts.map(({ name }) => name)),
      resources: () => pages((cursor) => client.listResources(cursor), ({ resources }) => resources.map(({ uri }) => uri)),
      templates: () =>
        pages(
          (cursor) => client.listResourceTemplates(cursor),
          ({ resourceTemplates }) => resourceTemplates.map(({ uriTemplate }) => uriTemplate),
        ),
    })[what](),
  call: async ({ tool, arguments: given }) => {
    const { content, isError } = await call({ name: tool, arguments: given }, { onprogress: heard.report });
    const { progress, logs, asked, first } = heard;
    const late = first ? { after_first_report_s: (performance.now() - first) / 1000 } : {};
    return { text: content[0].text, progress, logs, asked: asked.sort(), ...late, ...(isError ? { failed: true } : {}) };
  },
  prompt: async (given) => {
    const { messages } = await client.getPrompt(given);
    const { asked } = heard;
    return { text: messages[0].content.text, ...(asked.length ? { asked } : {}) };
  },
  read: async ({ uri }) => ({ text: (await client.readResource({ uri })).contents[0].text }),
  complete: async ({ prompt, argument, value }) => {
    const ref = { type: "ref/prompt", name: prompt };
    return { values: (await client.complete({ ref, argument: { name: argument, value } })).completion.values };
  },
  level: async ({ level: wanted }) => {
    await level(wanted);
    return {};
  },
  open: async ({ link }) => {
    await openPage(link ?? heard.link);
    return {};
  },
  watch: ({ what, trigger }) => watch(what, () => call({ name: trigger, arguments: {} }, {})),
});

/** What a user of the SDK sees: an error of the protocol, or how the SDK broke. */
const trouble = (error) =>
  Number.isInteger(error.code) && error.code < 0
    ? { error: { code: error.code, message: error.message } }
    : { crash: String(error.stack ?? error) };

function limited(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${STEP_MS} ms`)), STEP_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Do one step after the other; one that fails is told and the next one tried. */
export async function walk(steps, heard, table) {
  for (const { name, do: verb, ask } of steps) {
    heard.clear();
    try {
      say(name, await limited(table[verb](ask)));
    } catch (error) {
      const links = (error.elicitations ?? []).map(({ url }) => url);
      heard.link = links[0];
      say(name, { ...trouble(error), ...(links.length ? { links } : {}) });
    }
  }
}

/** Go on the visit; if there is no connection, that is the last line. */
export function run(main) {
  main(readOrder()).then(
    () => process.exit(0),
    (error) => {
      say("end", trouble(error));
      process.exit(0);
    },
  );
}
