import { ApiError } from "./api-error";
import type { components } from "./schema";

type ErrorResponse = components["schemas"]["ErrorResponse"];

type Result<T> = { data?: T; error?: ErrorResponse; response: Response };

/** Waits for an answer, and gives its body; throws ApiError, and nothing else. */
export async function take<T>(request: Promise<Result<T>>): Promise<T> {
  return readBody(await settle(request));
}

export function readBody<T>({ data, response }: Result<T>): T {
  if (data === undefined) {
    throw new ApiError("The server answered nothing.", response.status);
  }
  return data;
}

/** Waits for an answer that is no failure; throws ApiError, and nothing else. */
export async function settle<T>(request: Promise<Result<T>>): Promise<Result<T>> {
  let result: Result<T>;
  try {
    result = await request;
  } catch (error) {
    if (error instanceof ApiError) {
      throw error;
    }
    // fetch says only that there was no whole answer; why, nobody tells a page.
    throw new ApiError("The server cannot be reached.", 0, {}, 2);
  }
  const { response } = result;
  // 304 is no failure: the client has it already.
  if (!response.ok && response.status !== 304) {
    // What a proxy on the way answers is no problem document, even if it is JSON.
    const isProblem = response.headers.get("Content-Type") === "application/problem+json";
    const { detail, errors = [] }: Partial<ErrorResponse> = (isProblem && result.error) || {};
    const fields = Object.fromEntries(errors.map((one) => [one.pointer.replace("/", ""), one.detail]));
    const retryAfter = response.status > 500 ? Number(response.headers.get("Retry-After")) || 5 : null;
    const sentence = detail ?? `The server cannot answer at the moment (${response.status}).`;
    throw new ApiError(sentence, response.status, fields, retryAfter);
  }
  return result;
}
