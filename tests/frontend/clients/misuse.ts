/** What must not compile: each line below is an error, or `tsc` complains that it is none. Never run. */

import createClient from "openapi-fetch";
import type { components, paths } from "../app/lib/schema.js";
import { createTask, getTask, listTasks, type Task, updateTask } from "../generated/hey-api/index.js";

const api = createClient<paths>({ baseUrl: "http://127.0.0.1" });
const path = { user_id: "alice" };
const one = { user_id: "alice", task_id: 1 };

/** Two types are the same, and neither is `any`. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

export async function misuse(): Promise<void> {
  // @ts-expect-error no such path
  await api.GET("/api/{user_id}/task", { params: { path } });
  // @ts-expect-error no such method of this path
  await api.DELETE("/api/{user_id}/tasks", { params: { path } });
  // @ts-expect-error user_id is missing
  await api.GET("/api/{user_id}/tasks", { params: { path: {} } });
  // @ts-expect-error a task_id is a number
  await api.GET("/api/{user_id}/tasks/{task_id}", { params: { path: { user_id: "alice", task_id: "1" } } });
  // @ts-expect-error there is no such order
  await api.GET("/api/{user_id}/tasks", { params: { path, query: { sort: "size" } } });
  // @ts-expect-error a limit is a number
  await api.GET("/api/{user_id}/tasks", { params: { path, query: { limit: "10" } } });
  // @ts-expect-error is_completed is true or false
  await api.GET("/api/{user_id}/tasks", { params: { path, query: { is_completed: "all" } } });
  // @ts-expect-error pages have no numbers
  await api.GET("/api/{user_id}/tasks", { params: { path, query: { page: 2 } } });
  // @ts-expect-error a creation replaces nothing
  await api.POST("/api/{user_id}/tasks", { params: { path, header: { "If-Match": "*" } }, body: { title: "x" } });
  // @ts-expect-error title is required
  await api.POST("/api/{user_id}/tasks", { params: { path }, body: {} });
  // @ts-expect-error a title is text
  await api.POST("/api/{user_id}/tasks", { params: { path }, body: { title: 1 } });
  // @ts-expect-error a title cannot be cleared
  await api.PATCH("/api/{user_id}/tasks/{task_id}", { params: { path: one }, body: { title: null } });
  // Members too many are noticed where the body has its type; openapi-fetch alone takes them, and the server does not.
  // @ts-expect-error is_completed is not for creation
  const creation: components["schemas"]["CreateTaskDTO"] = { title: "x", is_completed: true };
  // @ts-expect-error the owner cannot be changed
  const change: components["schemas"]["UpdateTaskDTO"] = { user_id: "bob" };

  // @ts-expect-error user_id is missing
  await listTasks({ path: {} });
  // @ts-expect-error a task_id is a number
  await getTask({ path: { user_id: "alice", task_id: "1" } });
  // @ts-expect-error there is no such order
  await listTasks({ path, query: { sort: "size" } });
  // @ts-expect-error pages have no numbers
  await listTasks({ path, query: { page: 2 } });
  // @ts-expect-error an ETag is text
  await updateTask({ path: one, headers: { "If-Match": 1 }, body: {} });
  // @ts-expect-error a key is text
  await createTask({ path, headers: { "Idempotency-Key": 1 }, body: { title: "x" } });
  // @ts-expect-error title is required
  await createTask({ path, body: {} });
  // @ts-expect-error is_completed is true or false
  await updateTask({ path: one, body: { is_completed: "yes" } });
  // @ts-expect-error the owner cannot be changed
  await updateTask({ path: one, body: { user_id: "bob" } });

  const { data, error } = await api.GET("/api/{user_id}/tasks/{task_id}", { params: { path: one } });
  const dataIsATask: Same<typeof data, Task | undefined> = true;
  const detailIsText: Same<NonNullable<typeof error>["detail"], string> = true;
  const other = await getTask({ path: one });
  const otherIsATask: Same<typeof other.data, Task | undefined> = true;
  const otherDetailIsText: Same<NonNullable<typeof other.error>["detail"], string> = true;
  console.log(creation, change, dataIsATask, detailIsText, otherIsATask, otherDetailIsText);
}
