/** Every operation, by openapi-fetch over the types of openapi-typescript. Prints what it saw as JSON. */

import createClient from "openapi-fetch";
import { authorizedFetch } from "../app/lib/authorized-fetch.js";
import { walkPages } from "../app/lib/pages.js";
import type { paths } from "../app/lib/schema.js";
import { type Task, writeETag } from "../app/lib/task.js";
import { baseUrl, tokens, user_id } from "./environment.js";

let current = 0;
const api = createClient<paths>({
  baseUrl,
  fetch: authorizedFetch(async (refused) => tokens[refused ? ++current : current] ?? null),
});
const path = { user_id };

const before = await api.GET("/api/{user_id}/tasks", { params: { path } });
const once = { params: { path, header: { "Idempotency-Key": crypto.randomUUID() } } };
const created = await api.POST("/api/{user_id}/tasks", { ...once, body: { title: "Buy groceries" } });
const again = await api.POST("/api/{user_id}/tasks", { ...once, body: { title: "Buy groceries" } });
const reused = await api.POST("/api/{user_id}/tasks", { ...once, body: { title: "Buy nothing" } });
if (created.error) {
  // Of every status that the contract names, the error has its sentence.
  throw new Error(created.error.detail);
}
const task: Task = created.data;
const one = { params: { path: { user_id, task_id: task.id } } };

for (const title of ["Call home", "Water the plants"]) {
  await api.POST("/api/{user_id}/tasks", { params: { path }, body: { title } });
}
const pages: string[][] = [];
for await (const page of walkPages(api, user_id, { is_completed: false, q: "O", sort: "-title", limit: 1 })) {
  pages.push(page.map((one) => one.title));
}
const listed = await api.GET("/api/{user_id}/tasks", { params: { path } });
const header = { "If-None-Match": listed.response.headers.get("ETag") ?? undefined };
const same = await api.GET("/api/{user_id}/tasks", { params: { path, header } });

const found = await api.GET("/api/{user_id}/tasks/{task_id}", one);
const seen = { params: { ...one.params, header: { "If-Match": writeETag(task) } } };
const changed = await api.PATCH("/api/{user_id}/tasks/{task_id}", { ...seen, body: { is_completed: true } });
const tooLate = await api.PATCH("/api/{user_id}/tasks/{task_id}", { ...seen, body: { title: "Buy nothing" } });
const spared = await api.DELETE("/api/{user_id}/tasks/{task_id}", seen);
const refused = await api.PATCH("/api/{user_id}/tasks/{task_id}", { ...one, body: { title: "" } });
const deleted = await api.DELETE("/api/{user_id}/tasks/{task_id}", one);
const missing = await api.DELETE("/api/{user_id}/tasks/{task_id}", one);
const forbidden = await api.GET("/api/{user_id}/tasks", { params: { path: { user_id: `not-${user_id}` } } });
const live = await api.GET("/livez");
const ready = await api.GET("/readyz");
tokens.length = 0;
const signedOut = await api.GET("/api/{user_id}/tasks", { params: { path } });

console.log(
  JSON.stringify({
    before: before.data,
    created: task,
    again: again.data,
    reused: reused.error,
    pages,
    same: same.response.status,
    found: found.data,
    changed: changed.data,
    tooLate: tooLate.error,
    spared: spared.error?.detail,
    refused: refused.error,
    deleted: { status: deleted.response.status, hasBody: deleted.data !== undefined, failed: deleted.error !== undefined },
    missing: missing.error?.detail,
    forbidden: forbidden.error?.detail,
    health: [live.data, ready.data],
    signedOut: { status: signedOut.response.status, detail: signedOut.error?.detail },
  }),
);
