import type { TaskApi } from "../lib/api";
import { type Draft, writeTask } from "../lib/draft";
import type { Change } from "./use-tasks";

/** Makes a task of a draft; gives what is wrong, if there is none. */
export function useCreate(api: TaskApi, change: Change) {
  return (draft: Draft) =>
    change(async () => {
      const task = await api.create(writeTask(draft));
      return (tasks) => [...tasks.filter((one) => one.id !== task.id), task];
    });
}
