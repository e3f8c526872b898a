import type { TaskApi } from "./api";
import type { Task, TaskDraft } from "./task";

/**
 * Creates the tasks of one form. A draft gets its key when it is first sent, and has it until its task has come back:
 * if an answer is lost and the draft is sent again, the server knows it, and there is one task. Another draft has
 * another key.
 */
export function createOnce(api: TaskApi) {
  const keys = new Map<string, string>();

  return async (body: TaskDraft): Promise<{ task: Task; isRetry: boolean }> => {
    const draft = JSON.stringify(body);
    const known = keys.get(draft);
    const key = known ?? crypto.randomUUID();
    keys.set(draft, key);
    const task = await api.create(body, key);
    keys.delete(draft);
    return { task, isRetry: known !== undefined };
  };
}
