/** Every operation, by the functions that hey-api makes of the contract. Prints what it saw as JSON. */

import { authorizedFetch } from "../app/lib/authorized-fetch.js";
import { createClient } from "../generated/hey-api/client/index.js";
import {
  createTask,
  deleteTask,
  getLiveness,
  getReadiness,
  getTask,
  listTasks,
  type Task,
  updateTask,
} from "../generated/hey-api/index.js";
import { baseUrl, tokens, user_id } from "./environment.js";

let current = 0;
const send = authorizedFetch(async (refused) => tokens[refused ? ++current : current] ?? null);
const client = createClient({ baseUrl, fetch: (input, init) => send(new Request(input, init)) });
const path = { user_id };

const before = await listTasks({ client, path });
const once = { client, path, headers: { "Idempotency-Key": crypto.randomUUID() } };
const created = await createTask({ ...once, body: { title: "Buy groceries" } });
const again = await createTask({ ...once, body: { title: "Buy groceries" } });
const reused = await createTask({ ...once, body: { title: "Buy nothing" } });
if (created.error) {
  throw new Error(created.error.detail);
}
const task: Task = created.data;
const one = { client, path: { user_id, task_id: task.id } };

for (const title of ["Call home", "Water the plants"]) {
  await createTask({ client, path, body: { title } });
}
const pages: string[][] = [];
let cursor: string | undefined;
do {
  const query = { is_completed: false, q: "O", sort: "-title", limit: 1, cursor } as const;
  const page = await listTasks({ client, path, query });
  pages.push((page.data ?? []).map((one) => one.title));
  const link = page.response?.headers.get("Link")?.match(/^<(.*)>; rel="next"$/)?.[1];
  cursor = link && (new URL(link, baseUrl).searchParams.get("cursor") ?? undefined);
} while (cursor);
const listed = await listTasks({ client, path });
const headers = { "If-None-Match": listed.response?.headers.get("ETag") ?? undefined };
const same = await listTasks({ client, path, headers });

const found = await getTask(one);
const seen = { ...one, headers: { "If-Match": `"${task.updated_at}"` } };
const changed = await updateTask({ ...seen, body: { is_completed: true } });
const tooLate = await updateTask({ ...seen, body: { title: "Buy nothing" } });
const spared = await deleteTask(seen);
const refused = await updateTask({ ...one, body: { title: "" } });
const deleted = await deleteTask(one);
const missing = await deleteTask(one);
const forbidden = await listTasks({ client, path: { user_id: `not-${user_id}` } });
const live = await getLiveness({ client });
const ready = await getReadiness({ client });
tokens.length = 0;
const signedOut = await listTasks({ client, path });

console.log(
  JSON.stringify({
    before: before.data,
    created: task,
    again: again.data,
    reused: reused.error,
    pages,
    same: same.response?.status,
    found: found.data,
    changed: changed.data,
    tooLate: tooLate.error,
    spared: spared.error?.detail,
    refused: refused.error,
    deleted: {
      status: deleted.response?.status,
      hasBody: Object.keys(deleted.data ?? {}).length > 0,
      failed: deleted.error !== undefined,
    },
    missing: missing.error?.detail,
    forbidden: forbidden.error?.detail,
    health: [live.data, ready.data],
    signedOut: { status: signedOut.response?.status, detail: signedOut.error?.detail },
  }),
);
