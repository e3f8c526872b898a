import type { Task, TaskDraft } from "./task";

/** What somebody writes, as the fields of a form have it. */
export type Draft = { title: string; description: string };

export const emptyDraft: Draft = { title: "", description: "" };

export function readDraft({ title, description }: Task): Draft {
  return { title, description: description ?? "" };
}

export function writeTask({ title, description }: Draft): TaskDraft {
  return { title, description: description || null };
}
