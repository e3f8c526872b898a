import type { Client } from "openapi-fetch";
import type { paths } from "./schema";
import { readBody, settle } from "./settle";
import type { Task } from "./task";

/**
 * Reads a user's list: all of it, or only what is completed, or only the rest. As long as nothing has changed, the
 * server does not send it again (304). The last list is in memory and nowhere else, as `Cache-Control: no-store` asks.
 */
export function createListReader(client: Client<paths>, user_id: string) {
  let last: { is_completed?: boolean; etag: string; tasks: Task[] } | null = null;

  return async (is_completed?: boolean): Promise<Task[]> => {
    // Its ETag is good for the same filter only: the lists of a user all have the same one.
    const known = last?.is_completed === is_completed ? last : null;
    const params = { path: { user_id }, query: { is_completed }, header: { "If-None-Match": known?.etag } };
    const answer = await settle(client.GET("/api/{user_id}/tasks", { params }));
    if (known && answer.response.status === 304) {
      return known.tasks;
    }
    const tasks = readBody(answer);
    const etag = answer.response.headers.get("ETag");
    last = etag === null ? null : { is_completed, etag, tasks };
    return tasks;
  };
}
