import createClient from "openapi-fetch";
import { ApiError } from "./api-error";
import { authorizedFetch } from "./authorized-fetch";
import type { components, paths } from "./schema";
import { createTokenSource } from "./token";

export type Task = components["schemas"]["Task"];
export type TaskDraft = components["schemas"]["CreateTaskDTO"];
export type TaskChange = components["schemas"]["UpdateTaskDTO"];
type ErrorResponse = components["schemas"]["ErrorResponse"];

/** The API of one user. Every function throws ApiError, and nothing else. */
export function createTaskApi(baseUrl: string, user_id: string) {
  const client = createClient<paths>({ baseUrl, fetch: authorizedFetch(createTokenSource()) });

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
    if (error instanceof ApiError) {
      throw error;
    }
    // fetch says only that there was no whole answer; why, nobody tells a page.
    throw new ApiError("The server cannot be reached.", 0, {}, 2);
  }
  const { response } = result;
  if (!response.ok) {
    // What a proxy on the way answers is no problem document, even if it is JSON.
    const isProblem = response.headers.get("Content-Type") === "application/problem+json";
    const { detail, errors = [] }: Partial<ErrorResponse> = (isProblem && result.error) || {};
    const fields = Object.fromEntries(errors.map((one) => [one.pointer.replace("/", ""), one.detail]));
    const retryAfter = response.status > 500 ? Number(response.headers.get("Retry-After")) || 5 : null;
    const sentence = detail ?? `The server cannot answer at the moment (${response.status}).`;
    throw new ApiError(sentence, response.status, fields, retryAfter);
  }
  return result;
}
