import type { TaskApi } from "./api";
import { ApiError } from "./api-error";
import { type Draft, readDraft } from "./draft";
import type { Task, TaskChange } from "./task";

/** What somebody writes, and the task as they have seen it. */
export type Edit = { seen: Task; draft: Draft };

/**
 * Saves an edit, but only over what its author has seen. If somebody else has written something meanwhile, nothing is
 * changed, and what comes back is the edit on top of that: its author decides, and it is saved like any other.
 */
export async function saveEdit(api: TaskApi, edit: Edit): Promise<{ saved: Task } | { conflict: Edit }> {
  const { seen } = edit;
  const answer = await unlessChanged(api, seen, () => api.update(seen.id, describeChange(edit), seen));
  if ("done" in answer) {
    return { saved: answer.done };
  }
  const { newest } = answer;
  const next = rebase(edit, newest);
  if (isUntouched(next)) {
    // It is there already: the answer to an earlier try was lost, or two have written the same.
    return { saved: newest };
  }
  if (isUntouched({ seen, draft: readDraft(newest) }) && newest.updated_at !== seen.updated_at) {
    // Somebody has only ticked it off, or not: the patch leaves that alone, and there is nothing to decide.
    return saveEdit(api, next);
  }
  return { conflict: next };
}

/** Deletes a task, but only as its user has seen it; gives what it has become if that is something else. */
export async function deleteSeen(api: TaskApi, seen: Task): Promise<Task | null> {
  const answer = await unlessChanged(api, seen, () => api.remove(seen));
  return "done" in answer ? null : answer.newest;
}

/** Gives the newest version of a task in place of the answer if that is 412: then nothing was done. */
async function unlessChanged<T>(
  api: TaskApi,
  seen: Task,
  action: () => Promise<T>,
): Promise<{ done: T } | { newest: Task }> {
  try {
    return { done: await action() };
  } catch (error) {
    if (error instanceof ApiError && error.status === 412) {
      return { newest: await api.get(seen.id) };
    }
    throw error;
  }
}

/** What the author has written and not found there. */
function pickTouched({ seen, draft }: Edit): Partial<Draft> {
  const before = readDraft(seen);
  return {
    ...(draft.title !== before.title && { title: draft.title }),
    ...(draft.description !== before.description && { description: draft.description }),
  };
}

function isUntouched(edit: Edit): boolean {
  return Object.keys(pickTouched(edit)).length === 0;
}

/** A merge patch: what the author has not touched is not in it, and stays as it is. */
function describeChange(edit: Edit): TaskChange {
  const { title, description } = pickTouched(edit);
  return { title, description: description === "" ? null : description };
}

/** What the author has not touched becomes what it is now. */
function rebase(edit: Edit, newest: Task): Edit {
  return { seen: newest, draft: { ...readDraft(newest), ...pickTouched(edit) } };
}
