import type { Client } from "openapi-fetch";
import type { operations, paths } from "./schema";
import { readBody, settle } from "./settle";
import type { Task } from "./task";

type Query = operations["listTasks"]["parameters"]["query"];

/** Gives a list page by page, each when it is asked for. Without a limit, the first page is the whole list. */
export async function* walkPages(client: Client<paths>, user_id: string, query: Query): AsyncGenerator<Task[]> {
  let cursor: string | undefined;
  do {
    const params = { path: { user_id }, query: { ...query, cursor } };
    const answer = await settle(client.GET("/api/{user_id}/tasks", { params }));
    yield readBody(answer);
    cursor = readCursor(answer.response.headers.get("Link"));
  } while (cursor !== undefined);
}

/** Gives the cursor of the next page; where no link leads to one, there is none, however few tasks have come. */
function readCursor(link: string | null): string | undefined {
  const target = link?.match(/<[^>]*\?([^>]*)>; *rel="next"/)?.[1];
  return new URLSearchParams(target).get("cursor") ?? undefined;
}
