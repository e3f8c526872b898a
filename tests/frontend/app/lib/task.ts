import type { components } from "./schema";

export type Task = components["schemas"]["Task"];
export type TaskDraft = components["schemas"]["CreateTaskDTO"];
export type TaskChange = components["schemas"]["UpdateTaskDTO"];

/** The ETag of a task, of one in a list too: the contract says that it is the time of the last change, in quotes. */
export function writeETag(task: Task): string {
  return `"${task.updated_at}"`;
}
