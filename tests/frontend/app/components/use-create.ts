import { useState } from "react";
import { createOnce } from "../lib/create-once";
import { type Draft, writeTask } from "../lib/draft";
import type { TaskList } from "./use-tasks";

/** Makes tasks of the drafts of one form; gives what is wrong, if there is none. */
export function useCreate({ api, change, load }: TaskList) {
  // A state, since React may forget a memo: the key of a draft would be gone, and there would be two tasks.
  const [create] = useState(() => createOnce(api));

  return async (draft: Draft) => {
    let isAsBefore = false;
    const failure = await change(async () => {
      const { task, isRetry } = await create(writeTask(draft));
      isAsBefore = isRetry;
      return (tasks) => [...tasks.filter((one) => one.id !== task.id), task];
    });
    if (isAsBefore) {
      // The answer may be the first one. What has become of the task since, the list knows.
      await load();
    }
    return failure;
  };
}
