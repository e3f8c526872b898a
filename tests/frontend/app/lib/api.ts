import createClient from "openapi-fetch";
import { authorizedFetch } from "./authorized-fetch";
import type { paths } from "./schema";
import { settle, take } from "./settle";
import { type Task, type TaskChange, type TaskDraft, writeETag } from "./task";
import { createListReader } from "./task-list";
import { createTokenSource } from "./token";

/** The API of one user. Every function throws ApiError, and nothing else. */
export function createTaskApi(baseUrl: string, user_id: string) {
  const client = createClient<paths>({ baseUrl, fetch: authorizedFetch(createTokenSource()) });

  return {
    list: createListReader(client, user_id),

    get: (task_id: number) =>
      take(client.GET("/api/{user_id}/tasks/{task_id}", { params: { path: { user_id, task_id } } })),

    /** However often it comes with the same key, there is one task. */
    create(body: TaskDraft, key: string): Promise<Task> {
      const params = { path: { user_id }, header: { "Idempotency-Key": key } };
      return take(client.POST("/api/{user_id}/tasks", { params, body }));
    },

    /** Where `seen` is given, only if the task is still as it was then. */
    update(task_id: number, body: TaskChange, seen?: Task): Promise<Task> {
      const params = { path: { user_id, task_id }, header: { "If-Match": seen && writeETag(seen) } };
      return take(client.PATCH("/api/{user_id}/tasks/{task_id}", { params, body }));
    },

    /** Only if the task is still as it was seen. */
    async remove(seen: Task): Promise<void> {
      const params = { path: { user_id, task_id: seen.id }, header: { "If-Match": writeETag(seen) } };
      // 204: there is no body to take.
      await settle(client.DELETE("/api/{user_id}/tasks/{task_id}", { params }));
    },
  };
}

export type TaskApi = ReturnType<typeof createTaskApi>;
