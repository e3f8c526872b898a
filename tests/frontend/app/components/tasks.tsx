import { useMemo, useState } from "react";
import { createTaskApi } from "../lib/api";
import { emptyDraft } from "../lib/draft";
import type { Task } from "../lib/task";
import { Notice } from "./notice";
import { TaskForm } from "./task-form";
import { TaskItem } from "./task-item";
import { useCreate } from "./use-create";
import { useTasks } from "./use-tasks";

type Props = {
  apiUrl: string;
  userId: string;
  isSignedIn: boolean;
  /** The token was refused, and so was a new one. */
  onRefusal: () => void;
};

/** What can be asked for, as `is_completed`. */
const FILTERS = new Map([
  ["All", undefined],
  ["Open", false],
  ["Done", true],
]);

export function Tasks({ apiUrl, userId, isSignedIn, onRefusal }: Props) {
  const api = useMemo(() => createTaskApi(apiUrl, userId), [apiUrl, userId]);
  const list = useTasks(api, isSignedIn, onRefusal);
  const { tasks, problem, load, show } = list;
  const create = useCreate(list);
  const [draft, setDraft] = useState(emptyDraft);
  const [filter, setFilter] = useState("All");
  const [edited, setEdited] = useState<Task[]>([]);

  async function submit() {
    const failure = await create(draft);
    if (!failure) {
      setDraft(emptyDraft);
    }
    return failure;
  }

  function choose(name: string) {
    setFilter(name);
    show(FILTERS.get(name));
  }

  // What is being edited stays, with what its user has typed, also where the list that was read last is without it.
  const missing = edited.filter((task) => !tasks?.some((one) => one.id === task.id));
  const shown = [...(tasks ?? []), ...missing].sort((one, other) => one.id - other.id);

  return (
    <>
      {/* Another try asks first what there is: after a failure, a change may have been made all the same. */}
      {problem && <Notice problem={problem} onRetry={load} />}
      <TaskForm label="New task" draft={draft} onDraft={setDraft} onSubmit={submit}>
        <button>Add</button>
      </TaskForm>
      <label className="filter">
        Show
        <select value={filter} onChange={(event) => choose(event.target.value)}>
          {[...FILTERS.keys()].map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      {tasks && shown.length === 0 && (
        <p role="status">{filter === "Done" ? "Nothing is done yet." : "Nothing to do."}</p>
      )}
      <ul aria-label="Tasks">
        {shown.map((task) => (
          <TaskItem
            key={task.id}
            list={list}
            task={task}
            onEdit={(isEdited) =>
              setEdited((before) => [...before.filter((one) => one.id !== task.id), ...(isEdited ? [task] : [])])
            }
          />
        ))}
      </ul>
    </>
  );
}
