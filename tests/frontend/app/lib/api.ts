import createClient from "openapi-fetch";
import { authorizedFetch } from "./authorized-fetch";
import type { components, paths } from "./schema";
import { getToken } from "./token";

export type Task = components["schemas"]["Task"];
export type TaskDraft = components["schemas"]["CreateTaskDTO"];
export type TaskChange = components["schemas"]["UpdateTaskDTO"];
type ErrorResponse = components["schemas"]["ErrorResponse"];

/** What went wrong, in words for the user. */
export class ApiError extends Error {
  constructor(
    detail: string,
    /** The HTTP status; 0 if there was no answer. */
    readonly status: number,
    /** What is wrong with each member of the body, by its name. */
    readonly fields: Partial<Record<string, string>> = {},
    /** Seconds after which another try may succeed; null if none would. */
    readonly retryAfter: number | null = null,
  ) {
    super(detail);
  }
}

/** The API of one user. Every function throws ApiError, and nothing else. */
export function createTaskApi(baseUrl: string, user_id: string) {
  const client = createClient<paths>({ baseUrl, fetch: authorizedFetch(getToken) });

  return {
    list: () => take(client.GET("/api/{user_id}/tasks", { params: { path: { user_id } } })),

    create: (body: TaskDraft) => take(client.POST("/api/{user_id}/tasks", { params: { path: { user_id } }, body })),

    update: (task_id: number, body: TaskChange) =>
      take(client.PATCH("/api/{user_id}/tasks/{task_id}", { params: { path: { user_id, task_id } }, body })),

    async remove(task_id: number): Promise<void> {
      // 204: there is no body to take.
      await settle(client.DELETE("/api/{user_id}/tasks/{task_id}", { params: { path: { user_id, task_id } } }));
    },
  };
}

export type TaskApi = ReturnType<typeof createTaskApi>;

type Result<T> = { data?: T; error?: ErrorResponse; response: Response };

async function take<T>(request: Promise<Result<T>>): Promise<T> {
  const { data, response } = await settle(request);
  if (data === undefined) {
    throw new ApiError("The server answered nothing.", response.status);
  }
  return data;
}

async function settle<T>(request: Promise<Result<T>>): Promise<Result<T>> {
  let result: Result<T>;
  try {
    result = await request;
  } catch (error) {
    // fetch says only that there was no answer; why, nobody tells a page.
    const isUnreachable = error instanceof TypeError || !(error instanceof Error);
    throw new ApiError(isUnreachable ? "The server cannot be reached." : error.message, 0, {}, 2);
  }
  if (result.error) {
    const { detail, status, errors = [] } = result.error;
    const fields = Object.fromEntries(errors.map(({ pointer, detail }) => [pointer.replace("/", ""), detail]));
    const retryAfter = result.response.headers.get("Retry-After");
    throw new ApiError(detail, status, fields, status === 503 ? Number(retryAfter ?? 5) : null);
  }
  return result;
}
