/** Every operation, by the functions that hey-api makes of the contract. Prints what it saw as JSON. */

import { authorizedFetch } from "../app/lib/authorized-fetch.js";
import { createClient } from "../generated/hey-api/client/index.js";
import { createTask, deleteTask, getTask, listTasks, type Task, updateTask } from "../generated/hey-api/index.js";
import { baseUrl, tokens, user_id } from "./environment.js";

let current = 0;
const send = authorizedFetch(async (refused) => tokens[refused ? ++current : current] ?? null);
const client = createClient({ baseUrl, fetch: (input, init) => send(new Request(input, init)) });
const path = { user_id };

const before = await listTasks({ client, path });
const created = await createTask({ client, path, body: { title: "Buy groceries" } });
if (created.error) {
  throw new Error(created.error.detail);
}
const task: Task = created.data;
const one = { client, path: { user_id, task_id: task.id } };

const found = await getTask(one);
const changed = await updateTask({ ...one, body: { is_completed: true } });
const refused = await updateTask({ ...one, body: { title: "" } });
const deleted = await deleteTask(one);
const missing = await deleteTask(one);
const forbidden = await listTasks({ client, path: { user_id: `not-${user_id}` } });
tokens.length = 0;
const signedOut = await listTasks({ client, path });

console.log(
  JSON.stringify({
    before: before.data,
    created: task,
    found: found.data,
    changed: changed.data,
    refused: refused.error,
    deleted: {
      status: deleted.response?.status,
      hasBody: Object.keys(deleted.data ?? {}).length > 0,
      failed: deleted.error !== undefined,
    },
    missing: missing.error?.detail,
    forbidden: forbidden.error?.detail,
    signedOut: { status: signedOut.response?.status, detail: signedOut.error?.detail },
  }),
);
