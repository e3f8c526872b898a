import { useState } from "react";
import { readDraft } from "../lib/draft";
import { type Edit, saveEdit } from "../lib/edit";
import type { Task } from "../lib/task";
import { TaskForm } from "./task-form";
import { useCreate } from "./use-create";
import type { TaskList } from "./use-tasks";

type Props = {
  list: TaskList;
  task: Task;
  onClose: () => void;
};

/** The task as it was when the editor was opened, and what its user makes of it. */
export function TaskEditor({ list, task, onClose }: Props) {
  const [edit, setEdit] = useState<Edit>({ seen: task, draft: readDraft(task) });
  const [state, setState] = useState<"open" | "changed" | "gone">("open");
  const create = useCreate(list);
  const { seen, draft } = edit;

  async function save() {
    let isSaved = false;
    const failure = await list.change(async () => {
      const outcome = await saveEdit(list.api, edit);
      isSaved = "saved" in outcome;
      if ("conflict" in outcome) {
        setEdit(outcome.conflict);
        setState("changed");
      }
      const newest = "saved" in outcome ? outcome.saved : outcome.conflict.seen;
      return (tasks) => tasks.map((one) => (one.id === newest.id ? newest : one));
    });
    if (isSaved) {
      onClose();
    } else if (failure?.status === 404) {
      setState("gone");
    }
    return failure;
  }

  async function addAgain() {
    const failure = await create(draft);
    if (!failure) {
      onClose();
    }
    return failure;
  }

  return (
    <TaskForm
      label={`Edit ${seen.title}`}
      notice={
        <>
          {state === "changed" && <Newest task={seen} />}
          {state === "gone" && <p role="alert">Somebody has deleted this task. What you have written is still here.</p>}
        </>
      }
      draft={draft}
      onDraft={(draft) => setEdit({ seen, draft })}
      onSubmit={state === "gone" ? addAgain : save}
    >
      <button>{LABELS[state].submit}</button>
      <button type="button" className="quiet" onClick={onClose}>
        {LABELS[state].close}
      </button>
    </TaskForm>
  );
}

const LABELS = {
  open: { submit: "Save", close: "Cancel" },
  changed: { submit: "Keep mine", close: "Take theirs" },
  gone: { submit: "Add as a new task", close: "Cancel" },
};

/** What is there now, above what the user has written. */
function Newest({ task }: { task: Task }) {
  return (
    <div className="newest" role="alert">
      <p>Somebody has changed this task, so yours is not saved yet. Theirs:</p>
      <dl>
        <dt>Title</dt>
        <dd>{task.title}</dd>
        <dt>Description</dt>
        <dd>{task.description || "none"}</dd>
      </dl>
    </div>
  );
}
