/** What went wrong, in words for the user. */
export class ApiError extends Error {
  constructor(
    detail: string,
    /** The HTTP status; 0 if there was no answer. */
    readonly status: number,
    /** What is wrong with each member of the body, by its name. */
    readonly fields: Partial<Record<string, string>> = {},
    /** Seconds after which another try may succeed; null if none would. */
    readonly retryAfter: number | null = null,
  ) {
    super(detail);
  }
}
