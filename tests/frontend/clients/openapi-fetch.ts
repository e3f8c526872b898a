/** Every operation, by openapi-fetch over the types of openapi-typescript. Prints what it saw as JSON. */

import createClient from "openapi-fetch";
import { authorizedFetch } from "../app/lib/authorized-fetch.js";
import type { components, paths } from "../app/lib/schema.js";
import { baseUrl, tokens, user_id } from "./environment.js";

type Task = components["schemas"]["Task"];

let current = 0;
const api = createClient<paths>({
  baseUrl,
  fetch: authorizedFetch(async (refused) => tokens[refused ? ++current : current] ?? null),
});
const path = { user_id };

const before = await api.GET("/api/{user_id}/tasks", { params: { path } });
const created = await api.POST("/api/{user_id}/tasks", { params: { path }, body: { title: "Buy groceries" } });
if (created.error) {
  // Of every status that the contract names, the error has its sentence.
  throw new Error(created.error.detail);
}
const task: Task = created.data;
const one = { params: { path: { user_id, task_id: task.id } } };

const found = await api.GET("/api/{user_id}/tasks/{task_id}", one);
const changed = await api.PATCH("/api/{user_id}/tasks/{task_id}", { ...one, body: { is_completed: true } });
const refused = await api.PATCH("/api/{user_id}/tasks/{task_id}", { ...one, body: { title: "" } });
const deleted = await api.DELETE("/api/{user_id}/tasks/{task_id}", one);
const missing = await api.DELETE("/api/{user_id}/tasks/{task_id}", one);
const forbidden = await api.GET("/api/{user_id}/tasks", { params: { path: { user_id: `not-${user_id}` } } });
tokens.length = 0;
const signedOut = await api.GET("/api/{user_id}/tasks", { params: { path } });

console.log(
  JSON.stringify({
    before: before.data,
    created: task,
    found: found.data,
    changed: changed.data,
    refused: refused.error,
    deleted: { status: deleted.response.status, hasBody: deleted.data !== undefined, failed: deleted.error !== undefined },
    missing: missing.error?.detail,
    forbidden: forbidden.error?.detail,
    signedOut: { status: signedOut.response.status, detail: signedOut.error?.detail },
  }),
);
